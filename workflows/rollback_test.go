// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
)

// goBack is a rollback of a release that was promoted by a canary.
func goBack(t *testing.T) *release {
	t.Helper()
	r := prepare(t, twoSteps())
	r.world = world.Swapped()
	r.world.Bake = time.Minute
	r.before, r.workflow, r.in.Image = r.world.State(), "Rollback", world.OldImage
	return r
}

func TestARollbackBringsTheEarlierVersionBackInOneWrite(t *testing.T) {
	r := goBack(t).run()
	require.NoError(t, r.err)
	require.Equal(t, workflows.Promoted, r.status.Phase, r.story())
	require.Equal(t, world.NewImage, r.status.StableImage)
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout: 3 pods of the old version",
		"20s  weight 100 %",
		"21s  point Service checkout at checkout",
		"1m21s  weight 0 %",
		"1m22s  scale checkout-green to zero, with the new version",
	}, r.world.Timeline()))
}

func TestARollbackNeedsNoMetrics(t *testing.T) {
	r := goBack(t)
	r.world.Fail(world.Check, 0, errors.New("connection refused"))
	r.world.Fail(world.Measure, 0, errors.New("connection refused"))
	r.run()
	require.NoError(t, r.err)
	require.Equal(t, workflows.Promoted, r.status.Phase, r.story())
}

func TestARollbackThatDoesNotBecomeReadyChangesNothingForUsers(t *testing.T) {
	r := goBack(t)
	r.world.ReadyAfter = -1
	r.run().undone("checkout was not ready within 2m")
	require.Zero(t, r.status.MaxWeight)
}

func TestARollbackCanBeAbortedAtAnyTime(t *testing.T) {
	for at := time.Second; at < 82*time.Second; at += 5 * time.Second {
		t.Run(at.String(), func(t *testing.T) {
			r := goBack(t)
			r.at(at, workflows.Abort, by("bob"))
			r.run().undone("aborted by bob (unverified): said bob")
		})
	}
}
