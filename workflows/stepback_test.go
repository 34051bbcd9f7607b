// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows"
)

// inBake is a moment at which the candidate of leisurely has everything.
const inBake = 40 * time.Minute

func TestAnUndoTakesTheStepsBackWhereThePlanAsksForIt(t *testing.T) {
	r := prepare(t, leisurely())
	r.at(inBake, workflows.Abort, by("bob"))
	r.run().undone("aborted by bob")
	half, tenth, none := r.last("weight 50 %"), r.last("weight 10 %"), r.last("weight 0 %")
	require.Less(t, half, inBake+time.Second, "the first step back waits for nothing")
	require.Equal(t, 3*time.Minute, tenth-half)
	require.Equal(t, 3*time.Minute, none-tenth)
}

func TestASecondAbortHurriesAnUndoThatStepsBack(t *testing.T) {
	r := prepare(t, leisurely())
	r.at(inBake, workflows.Abort, by("bob"))
	hurry := r.tell(inBake+time.Minute, workflows.Abort, by("carol"))
	again := r.tell(inBake+time.Minute+100*time.Millisecond, workflows.Abort, by("dave"))
	silent := r.tell(inBake+30*time.Second, workflows.Abort, workflows.Command{ID: "1", By: "eve"})
	r.run().undone("aborted by bob")
	require.NoError(t, hurry.err)
	require.Less(t, r.last("weight 0 %"), inBake+time.Minute+time.Second)
	require.ErrorContains(t, again.err, "is being undone")
	require.ErrorContains(t, silent.err, "is being undone")
}
