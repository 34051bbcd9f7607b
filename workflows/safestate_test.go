// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// recorded is the safe state of a release in a new world, without its times.
func recorded(r *release) activities.SafeState {
	found := activities.Tracks{
		Stable: world.Stable, StableImage: world.OldImage, StableSelector: map[string]string{"track": world.Stable},
		Candidate: world.Candidate, CandidateService: world.Candidate + "-only", CandidateSelector: map[string]string{"track": world.Candidate},
		SharedSelector: map[string]string{"track": world.Both}, Replicas: world.Replicas, Port: 80,
	}
	return activities.SafeState{
		Version: 1, ReleaseID: r.in.ID, Lane: "production/checkout", Target: r.in.Plan.Spec.Target, Tracks: found,
		Route: activities.Route{
			Namespace: "shop", Traffic: r.in.Plan.Spec.Traffic, Stable: "checkout", Candidate: found.CandidateService,
			StableSelector: found.StableSelector, CandidateSelector: found.CandidateSelector,
			SharedSelector: found.SharedSelector, Port: 80, Testers: testers(r.in.Plan.Spec.Strategy),
			Mirror: mirrored(r.in.Plan.Spec.Strategy),
		},
	}
}

// mirrored is the percentage of requests that a strategy copies before its first weight.
func mirrored(s plan.Strategy) int {
	if s.Canary == nil || s.Canary.Mirror == nil {
		return 0
	}
	return s.Canary.Mirror.Percent
}

// testers are those that a strategy lets in before everybody else.
func testers(s plan.Strategy) *plan.Testers {
	switch {
	case s.Canary != nil:
		return s.Canary.Testers
	case s.BlueGreen.Preview != nil:
		return &plan.Testers{Header: s.BlueGreen.Preview.Header}
	}
	return nil
}

// twoTracks runs a test for each strategy that has a second track, which is where a rescue goes back from:
// a rolling release has `slipway undo`.
func twoTracks(t *testing.T, test func(*testing.T, plan.Plan)) {
	t.Helper()
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		if p.Spec.Strategy.Rolling == nil {
			test(t, p)
		}
	})
}

// kept is the world's record now, without its times; a test compares those by itself.
func kept(r *release) activities.SafeState {
	r.t.Helper()
	require.NotNil(r.t, r.world.SafeState())
	s := *r.world.SafeState()
	s.Recorded, s.EndedAt = time.Time{}, time.Time{}
	return s
}

func TestTheSafeStateIsRecordedBeforeAnythingIsChanged(t *testing.T) {
	twoTracks(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		r := prepare(t, p)
		looked := false
		r.world.OnCall = func(op world.Op) {
			if op != world.Deploy || looked {
				return
			}
			looked = true
			require.Empty(t, r.world.Timeline())
			require.Empty(t, cmp.Diff(recorded(r), kept(r)))
			require.False(t, r.world.SafeState().Recorded.IsZero())
		}
		r.run().promoted()
		require.True(t, looked)
	})
}

func TestAPromotedReleaseLeavesTheNewTrackAsTheSafeState(t *testing.T) {
	twoTracks(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		r := prepare(t, p)
		r.run().promoted()
		want := recorded(r).Promote(world.NewImage)
		want.Ended, want.EndedBy = activities.EndPromoted, r.in.ID
		require.Empty(t, cmp.Diff(want, kept(r)))
		require.Equal(t, world.Candidate, kept(r).Tracks.Stable)
		require.Equal(t, world.OldImage, kept(r).Tracks.CandidateImage)
		require.True(t, r.world.SafeState().EndedAt.After(r.world.SafeState().Recorded))
	})
}

func TestAnUndoneReleaseEndsItsRecord(t *testing.T) {
	twoTracks(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		r := prepare(t, p)
		r.at(time.Minute, workflows.Abort, by("bob"))
		r.run().undone("aborted by bob")
		want := recorded(r)
		want.Ended, want.EndedBy = activities.EndUndone, r.in.ID
		require.Empty(t, cmp.Diff(want, kept(r)))
	})
}

func TestAReleaseThatNeedsAPersonLeavesItsRecordOpen(t *testing.T) {
	for name, err := range map[string]error{
		"because the router refuses": errors.New("connection refused"),
		"because somebody has rescued it meanwhile": fault.New(fault.Fenced,
			"HTTPRoute checkout was written by release rescue-abc123 since (fence 2.1, this write has 1.4)"),
	} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, twoSteps())
			r.env.RegisterDelayedCallback(func() { r.world.Fail(world.SetWeight, 0, err) }, 3*time.Minute)
			r.run().failed(workflows.NeedsPerson, err.Error())
			require.Empty(t, cmp.Diff(recorded(r), kept(r)))
			require.Equal(t, 10, r.world.State().Weight, "nothing was moved on")
		})
	}
}

func TestAReleaseThatWasRescuedMeanwhileMovesNobody(t *testing.T) {
	twoTracks(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		last, _ := good(t, p)
		for n := 1; n <= last; n++ {
			t.Run(fmt.Sprintf("before activity %d", n), func(t *testing.T) {
				r := prepare(t, p)
				begun := false
				r.fates = func(i int, activity string) world.Fate {
					if i == n {
						begun = r.world.SafeState() != nil
						r.world.Rescue()
					}
					return world.Answered
				}
				r.run()
				if !begun {
					r.promoted() // it has taken its fence later, and found the old version as the rescue left it
					return
				}
				s := r.world.State()
				if refused := r.world.Calls(world.MakeJob) > 0 && r.status.Phase == workflows.Undone; refused { // a Job is refused before anybody is sent anywhere
					require.Zero(t, r.status.MaxWeight, r.story())
					require.Empty(t, s.Jobs)
				} else {
					require.Equal(t, workflows.NeedsPerson, r.status.Phase, r.story())
				}
				require.Zero(t, s.Weight, r.story())
				require.Equal(t, world.Stable, s.Serving)
				require.Equal(t, world.Track{Image: world.OldImage, Size: world.Replicas}, s.Tracks[world.Stable])
			})
		}
	})
}

func TestAReleaseThatIsRefusedWithItsFenceClosesItsRecord(t *testing.T) {
	for name, tt := range map[string]struct {
		why  string
		turn func(*release)
	}{
		"by what comes after the fence": {"which is less than one pod beside 3", func(r *release) {
			r.in.Plan.Spec.Strategy.Canary.Steps[0].Weight = 5
		}},
		"by an abort, when nobody has heard that it has its fence": {"aborted by bob", func(r *release) {
			r.fates = func(_ int, activity string) world.Fate {
				if activity != "TakeFence" {
					return world.Answered
				}
				r.env.SignalWorkflow(workflows.Abort, by("bob"))
				return world.Unheard
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, byPods())
			tt.turn(r)
			r.run().failed(workflows.Refused, tt.why)
			require.Contains(t, r.status.Outcome, "; nothing was changed")
			require.Equal(t, activities.EndUndone, kept(r).Ended, r.story())
			require.Equal(t, r.in.ID, kept(r).EndedBy)
			r.clean()
		})
	}
}

func TestARecordThatCannotBeClosedIsTold(t *testing.T) {
	r := prepare(t, byPods())
	r.in.Plan.Spec.Strategy.Canary.Steps[0].Weight = 5
	r.world.Fail(world.CloseRecord, 0, errors.New("connection refused"))
	r.run().failed(workflows.Refused, "its record of the safe state is left open, and to rescue by it changes nothing: ")
	require.Empty(t, kept(r).Ended)
}
