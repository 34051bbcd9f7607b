// SPDX-License-Identifier: Apache-2.0

package world_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/world"
)

func step(n int64) activities.Write {
	return activities.Write{Fence: activities.Fence{Release: 1, Step: n}}
}

func weight(n int64, to int) activities.SetTrafficWeightIn {
	return activities.SetTrafficWeightIn{Write: step(n), Weight: to}
}

func deploy(t *testing.T, w *world.World) {
	t.Helper()
	require.NoError(t, w.DeployCandidate(context.Background(), activities.DeployCandidateIn{
		Write: step(1), Image: world.NewImage,
		Tracks: activities.Tracks{Candidate: world.Candidate, CandidateService: "green-only", Replicas: world.Replicas},
	}))
}

func roll(t *testing.T, w *world.World, in activities.RollIn) {
	t.Helper()
	in.Write, in.Image, in.Own = step(1), world.NewImage, []string{world.OldImage, world.NewImage}
	_, err := w.Roll(context.Background(), in)
	require.NoError(t, err)
}

func TestWhatNoReleaseMayDoIsFlagged(t *testing.T) {
	ctx := context.Background()
	tests := map[string]struct {
		do   func(*testing.T, *world.World)
		want string
	}{
		"a weight above 100": {func(t *testing.T, w *world.World) {
			require.NoError(t, w.Set(ctx, weight(1, 101)))
		}, "weight 101"},
		"a weight below 0": {func(t *testing.T, w *world.World) {
			require.NoError(t, w.Set(ctx, weight(1, -1)))
		}, "weight -1"},
		"requests for a candidate that does not exist": {func(t *testing.T, w *world.World) {
			require.NoError(t, w.Set(ctx, weight(1, 5)))
		}, "5 % of requests sent to checkout-green, which is not ready"},
		"requests for a candidate that is not ready": {func(t *testing.T, w *world.World) {
			deploy(t, w)
			require.NoError(t, w.Set(ctx, weight(2, 5)))
		}, "5 % of requests sent to checkout-green, which is not ready"},
		"a Service switched to a candidate that is not ready": {func(t *testing.T, w *world.World) {
			deploy(t, w)
			require.NoError(t, w.SwitchService(ctx, activities.SwitchServiceIn{Write: step(2), Selector: map[string]string{"track": world.Candidate}}))
		}, "sent to checkout-green, which is not ready"},
		"a candidate removed while it gets requests": {func(t *testing.T, w *world.World) {
			w.ReadyAfter = 0
			deploy(t, w)
			require.NoError(t, w.Set(ctx, weight(2, 5)))
			require.NoError(t, w.RetireTrack(ctx, activities.RetireTrackIn{Write: step(3), Deployment: world.Candidate, DeleteDeployment: true}))
		}, "checkout-green removed at weight 5"},
		"testers sent to a candidate that is not ready": {func(t *testing.T, w *world.World) {
			deploy(t, w)
			require.NoError(t, w.OpenPreview(ctx, activities.PreviewIn{Write: step(2)}))
		}, "testers sent to checkout-green, which is not ready"},
		"a candidate removed while testers are sent to it": {func(t *testing.T, w *world.World) {
			w.ReadyAfter = 0
			deploy(t, w)
			require.NoError(t, w.OpenPreview(ctx, activities.PreviewIn{Write: step(2)}))
			require.NoError(t, w.RetireTrack(ctx, activities.RetireTrackIn{Write: step(3), Deployment: world.Candidate, DeleteDeployment: true}))
		}, "checkout-green removed while testers are sent to it"},
		"copies sent to a candidate that is not ready": {func(t *testing.T, w *world.World) {
			deploy(t, w)
			require.NoError(t, w.SetMirror(ctx, activities.MirrorIn{Write: step(2), Percent: 1}))
		}, "copies sent to checkout-green, which is not ready"},
		"more copies than the candidate's pods are for": {func(t *testing.T, w *world.World) {
			w.ReadyAfter = 0
			deploy(t, w)
			require.NoError(t, w.SizeTrack(ctx, activities.SizeTrackIn{Write: step(2), Deployment: world.Candidate, Replicas: 1}))
			require.NoError(t, w.SetMirror(ctx, activities.MirrorIn{Write: step(3), Percent: 100}))
		}, "copies of 100 % of requests sent to 1 pods of checkout-green"},
		"a weight while requests are copied": {func(t *testing.T, w *world.World) {
			w.ReadyAfter = 0
			deploy(t, w)
			require.NoError(t, w.SetMirror(ctx, activities.MirrorIn{Write: step(2), Percent: 100}))
			require.NoError(t, w.Set(ctx, weight(3, 5)))
		}, "5 % of requests sent to checkout-green, while others are copied to it"},
		"a candidate removed while requests are copied to it": {func(t *testing.T, w *world.World) {
			w.ReadyAfter = 0
			deploy(t, w)
			require.NoError(t, w.SetMirror(ctx, activities.MirrorIn{Write: step(2), Percent: 100}))
			require.NoError(t, w.RetireTrack(ctx, activities.RetireTrackIn{Write: step(3), Deployment: world.Candidate, DeleteDeployment: true}))
		}, "checkout-green removed while requests are copied to it"},
		"more requests than the candidate's pods are for": {func(t *testing.T, w *world.World) {
			w.ReadyAfter = 0
			deploy(t, w)
			require.NoError(t, w.SizeTrack(ctx, activities.SizeTrackIn{Write: step(2), Deployment: world.Candidate, Replicas: 1}))
			require.NoError(t, w.Set(ctx, weight(3, 50)))
		}, "50 % of requests sent to 1 pods of checkout-green"},
		"more pods of the candidate than its weight": {func(t *testing.T, w *world.World) {
			w.ReadyAfter = 0
			deploy(t, w)
			require.NoError(t, world.Selector{World: w}.Set(ctx, activities.SetTrafficWeightIn{
				Write: step(2), Weight: 25, Route: activities.Route{SharedSelector: map[string]string{"track": world.Both}},
			}))
		}, "3 pods of checkout-green get more than 25 %"},
		"stable made smaller while it serves": {func(t *testing.T, w *world.World) {
			require.NoError(t, w.SizeTrack(ctx, activities.SizeTrackIn{Write: step(1), Deployment: world.Stable, Replicas: 1}))
		}, "checkout made smaller while the root Service sends to it"},
		"everybody sent to a candidate that is smaller than stable": {func(t *testing.T, w *world.World) {
			w.ReadyAfter = 0
			deploy(t, w)
			w.Scale(world.Stable, 5)
			require.NoError(t, w.Set(ctx, weight(2, 100)))
		}, "all requests sent to 3 pods of checkout-green, which 5 pods served before"},
		"the old track overwritten before the bake is over": {func(t *testing.T, w *world.World) {
			require.NoError(t, w.DeployCandidate(ctx, activities.DeployCandidateIn{
				Write: step(1), Image: world.NewImage, Tracks: activities.Tracks{Candidate: world.Stable, Replicas: world.Replicas},
			}))
		}, "checkout overwritten before the bake was over"},
		"the old track scaled down while it serves": {func(t *testing.T, w *world.World) {
			require.NoError(t, w.RetireTrack(ctx, activities.RetireTrackIn{Write: step(1), Deployment: world.Stable}))
		}, "checkout removed while the root Service sends to it"},
		"the old track scaled down before the bake is over": {func(t *testing.T, w *world.World) {
			w.ReadyAfter, w.Bake = 0, time.Hour
			deploy(t, w)
			require.NoError(t, w.Set(ctx, weight(2, 100)))
			require.NoError(t, w.SwitchService(ctx, activities.SwitchServiceIn{Write: step(3), Selector: map[string]string{"track": world.Candidate}}))
			require.NoError(t, w.RetireTrack(ctx, activities.RetireTrackIn{Write: step(4), Deployment: world.Stable}))
		}, "checkout scaled down before the bake was over"},
		"a rollout with too many pods above the size": {func(t *testing.T, w *world.World) {
			roll(t, w, activities.RollIn{Pods: 2, MaxSurge: 2})
		}, "2 pods above the size of 3"},
		"a rollout with too many pods missing": {func(t *testing.T, w *world.World) {
			roll(t, w, activities.RollIn{Pods: 2, MaxUnavailable: 2})
		}, "2 of 3 pods missing"},
		"a rollout let go half way": {func(t *testing.T, w *world.World) {
			w.ReadyAfter = 0
			roll(t, w, activities.RollIn{Pods: 1, MaxSurge: 1})
			require.NoError(t, w.HandBack(ctx, activities.HandBackIn{Write: step(2)}))
		}, "checkout let go at 1 of 3 pods"},
		"a rollout let go before the bake is over": {func(t *testing.T, w *world.World) {
			w.ReadyAfter, w.Bake = 0, time.Hour
			for range world.Replicas {
				roll(t, w, activities.RollIn{MaxSurge: 1})
			}
			require.NoError(t, w.HandBack(ctx, activities.HandBackIn{Write: step(2)}))
		}, "checkout let go before the bake was over"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := world.New()
			tt.do(t, w)
			require.Len(t, w.Violations(), 1)
			require.Contains(t, w.Violations()[0], tt.want)
		})
	}
}

func TestALateWriteIsRefused(t *testing.T) {
	w := world.New()
	w.ReadyAfter = 0
	deploy(t, w)
	require.NoError(t, w.Set(context.Background(), weight(3, 0)))
	err := w.Set(context.Background(), weight(2, 50))
	require.Equal(t, fault.Fenced, fault.Of(err))
	require.Equal(t, 0, w.State().Weight)
}
