// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// hand is somebody who changes something while the release holds it.
type hand struct {
	// since is the number of looks before the edit, or from when it is made; found is what is then there.
	since int
	from  time.Duration
	world *world.World
	found activities.Edit
	// counts reports whether the release counts on the edit by now, as it does where that was kept.
	counts func(activities.Held) bool

	looks, taken int
	held         activities.Held
}

func (h *hand) Edits(_ context.Context, held activities.Held) ([]activities.Edit, error) {
	h.looks++
	h.held = held
	if h.from > 0 && h.world.Elapsed() < h.from || h.looks <= h.since || h.taken > 0 || h.counts(held) {
		return nil, nil
	}
	return []activities.Edit{h.found}, nil
}

func (h *hand) TakeBack(context.Context, activities.TakeBackIn) error {
	h.taken++
	return nil
}

// scaled is a person who has scaled stable down before the second step.
func scaled() *hand {
	return &hand{
		since:  1,
		found:  activities.Edit{Text: "somebody (kubectl, 2030-01-01T10:00:00Z) has set spec.replicas of Deployment shop/checkout to 2, which were 3", Deployment: world.Stable, Replicas: new(int32(2))},
		counts: func(h activities.Held) bool { return h.Tracks[0].Replicas == 2 },
	}
}

// edits is a resume with an answer.
func edits(who, what string) workflows.Command {
	return workflows.Command{ID: who + what, By: who, Edits: what}
}

func TestSomebodysEditPausesTheReleaseUntilAPersonKeepsIt(t *testing.T) {
	r, h := prepare(t, twoSteps()), scaled()
	r.world.Keeper = h
	plain := r.tell(20*time.Minute, workflows.Resume, by("ann"))
	r.at(30*time.Minute, workflows.Resume, edits("ann", workflows.EditsKeep))
	r.run().promoted()
	require.ErrorContains(t, plain.err, "resume with --keep or --take-back, or abort (somebody (kubectl")
	require.Equal(t, 1, r.said("paused: "+h.found.Text))
	require.GreaterOrEqual(t, r.when("weight 50 %"), 30*time.Minute, r.story())
	require.Zero(t, h.taken, "it was kept")
	require.EqualValues(t, 2, h.held.Tracks[0].Replicas)
	require.Empty(t, r.status.Edits)
	require.False(t, r.status.Paused)
}

func TestSomebodysEditIsTakenBackWhenAPersonSaysSo(t *testing.T) {
	r, h := prepare(t, twoSteps()), scaled()
	r.world.Keeper = h
	h.found.Never = "the promotion would overwrite it"
	kept := r.tell(20*time.Minute, workflows.Resume, edits("bob", workflows.EditsKeep))
	r.at(30*time.Minute, workflows.Resume, edits("ann", workflows.EditsTakeBack))
	r.run().promoted()
	require.ErrorContains(t, kept.err, "this cannot be kept, because the promotion would overwrite it; take it back, or abort")
	require.GreaterOrEqual(t, r.when("weight 50 %"), 30*time.Minute, r.story())
	require.Equal(t, 1, h.taken)
	require.EqualValues(t, world.Replicas, h.held.Tracks[0].Replicas)
	require.Equal(t, 1, r.said("took back what somebody had changed"))
}

func TestAnAnswerAboutPodsOverwritesNoWeights(t *testing.T) {
	r, h := prepare(t, twoSteps()), scaled()
	r.world.Keeper = h
	r.world.Fail(world.SetWeight, 2, fault.New(fault.Edited, "somebody has set HTTPRoute shop/checkout to 60 %%"))
	r.at(30*time.Minute, workflows.Resume, edits("ann", workflows.EditsTakeBack))
	r.at(50*time.Minute, workflows.Resume, edits("bob", workflows.EditsTakeBack))
	r.run().promoted()
	require.Equal(t, 1, r.said("paused: "+h.found.Text))
	require.Equal(t, 1, r.said("paused: somebody has set HTTPRoute shop/checkout to 60 %"))
	require.GreaterOrEqual(t, r.when("weight 50 %"), 50*time.Minute, r.story())
	require.Equal(t, 1, h.taken, "what was asked about")
}

func TestSomebodysEditCanEndTheRelease(t *testing.T) {
	r := prepare(t, twoSteps())
	r.world.Keeper = scaled()
	r.at(30*time.Minute, workflows.Abort, workflows.Command{ID: "1", By: "ann", Reason: "they need it so"})
	r.run().undone("aborted by ann (unverified): they need it so")
}

func TestAnEditThatNobodyDecidesOnIsUndoneInTheEnd(t *testing.T) {
	r := prepare(t, twoSteps())
	r.world.Keeper = scaled()
	r.run().undone("nobody has decided within 168h what becomes of this: somebody (kubectl")
}

func TestACandidateThatTurnsBadBesideAnEditIsTakenBack(t *testing.T) {
	r := prepare(t, twoSteps())
	r.world.Keeper, r.world.BadFrom = scaled(), 40*time.Minute
	r.run().undone("failed at 10 % while people were asked")
}

func TestWeightsThatSomebodyHasSetAreAskedAbout(t *testing.T) {
	r := prepare(t, twoSteps())
	r.world.Fail(world.SetWeight, 2, fault.New(fault.Edited, "somebody has set HTTPRoute shop/checkout to 60 %%"))
	kept := r.tell(20*time.Minute, workflows.Resume, edits("bob", workflows.EditsKeep))
	r.at(30*time.Minute, workflows.Resume, edits("ann", workflows.EditsTakeBack))
	r.run().promoted()
	require.ErrorContains(t, kept.err, "their weights are not whole percentages, the same everywhere")
	require.GreaterOrEqual(t, r.when("weight 50 %"), 30*time.Minute, r.story())
}

func TestAnswersToNoEditAreRefused(t *testing.T) {
	r := prepare(t, twoSteps())
	r.at(2*time.Minute, workflows.Pause, by("ann"))
	wrong := r.tell(3*time.Minute, workflows.Resume, edits("ann", workflows.EditsKeep))
	r.at(4*time.Minute, workflows.Resume, by("bob"))
	r.run().promoted()
	require.ErrorContains(t, wrong.err, "nobody has changed anything that the release holds")
}

func TestAnEditIsNoticedInTheMiddleOfAHold(t *testing.T) {
	gate := plan.Gate{Quorum: 1, Within: minutes(60)}
	for name, tt := range map[string]struct {
		plan plan.Plan
		from time.Duration
		// next is what comes after the hold, and when: three minutes late, if it was under way.
		next string
		when time.Duration
	}{
		"in the hold of a step":       {twoSteps(), 8 * time.Minute, "weight 100 %", 18 * time.Minute},
		"where only pods are watched": {byPods(), 8 * time.Minute, "point Service checkout at checkout-green", 18 * time.Minute},
		"while people are asked":      {asking(gate), 8 * time.Minute, "weight 50 %", 30 * time.Minute},
		"in the bake":                 {blueGreen(), 20 * time.Minute, "scale checkout to zero", 68 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			r, h := prepare(t, tt.plan), scaled()
			r.world.Keeper, h.world, h.since, h.from = h, r.world, 0, tt.from
			r.at(tt.from+3*time.Minute, workflows.Resume, edits("ann", workflows.EditsKeep))
			r.at(30*time.Minute, workflows.Approve, by("ann"))
			r.run().promoted()
			paused := r.noted("paused: " + h.found.Text)
			require.GreaterOrEqual(t, paused, tt.from)
			require.LessOrEqual(t, paused, tt.from+time.Minute, r.story())
			require.Equal(t, 1, r.said("paused: "))
			require.GreaterOrEqual(t, r.when(tt.next), tt.when, r.story())
			require.Less(t, r.when(tt.next), tt.when+2*time.Minute, "what was left of the hold follows: "+r.story())
			require.Empty(t, r.status.Edits)
		})
	}
}

func TestAnEditThatIsNoticedWhilePeopleAreAskedLeavesTheirQuestion(t *testing.T) {
	r, h := prepare(t, asking(plan.Gate{Quorum: 1, Within: minutes(60)})), scaled()
	r.world.Keeper, h.world, h.since, h.from = h, r.world, 0, 8*time.Minute
	r.at(12*time.Minute, workflows.Resume, edits("ann", workflows.EditsTakeBack))
	asked := r.ask(15 * time.Minute)
	r.at(30*time.Minute, workflows.Approve, by("ann"))
	r.run().promoted()
	require.Equal(t, 1, h.taken)
	require.Contains(t, asked.Next, "approval by 1 of []")
	require.Equal(t, workflows.OwnerPeople, asked.Owner)
	require.False(t, asked.Paused)
}

// noted is when the story has told something first.
func (r *release) noted(text string) time.Duration {
	r.t.Helper()
	for _, e := range r.status.Log {
		if strings.Contains(e.Text, text) {
			return e.At.Sub(r.status.Started)
		}
	}
	require.Fail(r.t, "never told: "+text, r.story())
	return 0
}

// ask keeps the status of a moment.
func (r *release) ask(at time.Duration) *workflows.Status {
	out := &workflows.Status{}
	r.env.RegisterDelayedCallback(func() { *out = r.query() }, at)
	return out
}
