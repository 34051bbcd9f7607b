// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// gateAsks is when the gate after the first step opens, and the release is at 10 %.
const gateAsks = 5*time.Minute + 21*time.Second

// when reports the time since the beginning of the first line of the timeline that contains text.
func (r *release) when(text string) time.Duration {
	r.t.Helper()
	for _, line := range r.world.Timeline() {
		if at, what, _ := strings.Cut(line, "  "); strings.Contains(what, text) {
			d, err := time.ParseDuration(at)
			require.NoError(r.t, err)
			return d
		}
	}
	require.Fail(r.t, "never happened: "+text, r.story())
	return 0
}

// last reports the time since the beginning of the last line of the timeline that contains text.
func (r *release) last(text string) time.Duration {
	r.t.Helper()
	for _, line := range slices.Backward(r.world.Timeline()) {
		if at, what, _ := strings.Cut(line, "  "); strings.Contains(what, text) {
			d, err := time.ParseDuration(at)
			require.NoError(r.t, err)
			return d
		}
	}
	require.Fail(r.t, "never happened: "+text, r.story())
	return 0
}

func TestAGateOpensForTheEntitled(t *testing.T) {
	two := plan.Gate{Approvers: []string{"alice", "bob", "carol"}, Quorum: 2, Within: minutes(60)}
	tests := map[string]struct {
		gate      plan.Gate
		approvals []string
		opens     time.Duration
	}{
		"anybody, where nobody is named":       {plan.Gate{Quorum: 1, Within: minutes(60)}, []string{"zoe"}, 10 * time.Minute},
		"one of those named":                   {plan.Gate{Approvers: []string{"alice"}, Quorum: 1, Within: minutes(60)}, []string{"alice"}, 10 * time.Minute},
		"not before the quorum":                {two, []string{"alice", "bob"}, 11 * time.Minute},
		"one person does not count twice":      {two, []string{"alice", "alice", "carol"}, 12 * time.Minute},
		"somebody who is not named is refused": {two, []string{"alice", "mallory", "carol"}, 12 * time.Minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, asking(tt.gate))
			for i, who := range tt.approvals {
				at := 10*time.Minute + time.Duration(i)*time.Minute
				r.at(at, workflows.Approve, workflows.Command{ID: at.String(), By: who})
			}
			r.run().promoted()
			require.Equal(t, tt.opens, r.when("weight 50 %"), r.story())
		})
	}
}

func TestAGateWhoseDeadlinePassesIsANo(t *testing.T) {
	r := prepare(t, asking(plan.Gate{Approvers: []string{"alice"}, Quorum: 1, Within: minutes(60)}))
	r.at(10*time.Minute, workflows.Approve, by("mallory"))
	r.run().undone("nobody answered within 1h: approval by 1 of [alice]")
	require.Equal(t, gateAsks+time.Hour, r.when("weight 0 %"))
	require.Equal(t, 1, r.said("approve by mallory refused: mallory is not among the approvers"))
}

func TestACandidateThatTurnsBadWhilePeopleThinkIsTakenBack(t *testing.T) {
	r := prepare(t, asking(plan.Gate{Quorum: 1, Within: minutes(600)}))
	r.world.BadFrom = 30 * time.Minute
	r.run().undone("failed at 10 % while people were asked")
	require.Less(t, r.when("weight 0 %"), 40*time.Minute)
}

func TestARefusedUpdateTellsItsSenderWhy(t *testing.T) {
	gate := plan.Gate{Approvers: []string{"alice", "bob"}, Quorum: 2, Within: minutes(60)}
	tests := map[string]struct {
		at   time.Duration
		name string
		cmd  workflows.Command
		want string
	}{
		"nobody":                             {10 * time.Minute, workflows.Approve, workflows.Command{ID: "1"}, "needs an ID and who it is from"},
		"no ID":                              {10 * time.Minute, workflows.Approve, workflows.Command{By: "alice"}, "needs an ID and who it is from"},
		"not entitled":                       {10 * time.Minute, workflows.Approve, by("mallory"), "mallory is not among the approvers [alice bob]"},
		"no question":                        {2 * time.Minute, workflows.Approve, by("alice"), "nothing is waiting for an approval"},
		"approves again":                     {12 * time.Minute, workflows.Approve, workflows.Command{ID: "again", By: "alice"}, "alice has approved already"},
		"not paused":                         {10 * time.Minute, workflows.Resume, by("carol"), "the release is not paused"},
		"no reason":                          {10 * time.Minute, workflows.Abort, workflows.Command{ID: "1", By: "carol"}, "an abort needs a reason"},
		"promotes past a gate of two people": {10 * time.Minute, workflows.Promote, by("alice"), "the gate of step 1 needs 2 people"},
		"promoted already":                   {40 * time.Minute, workflows.Promote, by("carol"), "is being promoted already"},
		"paused already":                     {42 * time.Minute, workflows.Pause, by("carol"), "is paused already"},
		"aborted already":                    {91*time.Minute + 100*time.Millisecond, workflows.Abort, by("carol"), "the release is being undone"},
		"approved too late":                  {91*time.Minute + 200*time.Millisecond, workflows.Approve, by("bob2"), "the release is being undone"},
		"promoted too late":                  {91*time.Minute + 300*time.Millisecond, workflows.Promote, by("bob3"), "the release is being undone"},
		"paused when undone":                 {91*time.Minute + 400*time.Millisecond, workflows.Pause, by("bob4"), "the release is being undone"},
	}
	r := prepare(t, asking(gate))
	r.at(11*time.Minute, workflows.Approve, workflows.Command{ID: "first", By: "alice"})
	r.at(13*time.Minute, workflows.Approve, workflows.Command{ID: "second", By: "bob"})
	r.at(41*time.Minute, workflows.Pause, workflows.Command{ID: "pause", By: "bob"})
	r.at(91*time.Minute, workflows.Abort, by("bob"))
	answers := map[string]*answer{}
	for name, tt := range tests {
		answers[name] = r.tell(tt.at, tt.name, tt.cmd)
	}
	r.run().undone("aborted by bob")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { require.ErrorContains(t, answers[name].err, tt.want) })
	}
}

func TestSignalAndUpdateOfOneIDCountOnce(t *testing.T) {
	r := prepare(t, asking(plan.Gate{Quorum: 2, Within: minutes(60)}))
	same := workflows.Command{ID: "click-1", By: "alice"}
	r.at(10*time.Minute, workflows.Approve, same)
	again := r.tell(11*time.Minute, workflows.Approve, same)
	r.at(12*time.Minute, workflows.Approve, same)
	last := r.tell(20*time.Minute, workflows.Approve, by("bob"))
	r.run().promoted()
	require.NoError(t, again.err, "a command that was obeyed is welcome again")
	require.NoError(t, last.err)
	require.Equal(t, 1, r.said("approve by alice"), r.story())
	require.Equal(t, 20*time.Minute, r.when("weight 50 %"))
}

func TestAPauseHoldsTheWeightUntilSomebodyResumes(t *testing.T) {
	tests := map[string]struct {
		pause, resume time.Duration
		next          string
	}{
		"before the first step": {10 * time.Second, time.Hour, "weight 10 %"},
		"in the first step":     {2 * time.Minute, time.Hour, "weight 50 %"},
		"in the last step":      {10 * time.Minute, time.Hour, "weight 100 %"},
		"in the bake":           {time.Hour, 90 * time.Minute, "weight 0 %"},
		"while the route is settled": {
			75*time.Minute + 23*time.Second + 500*time.Millisecond, 90 * time.Minute, "scale checkout to zero",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, twoSteps())
			paused := r.tell(tt.pause, workflows.Pause, workflows.Command{ID: "p", By: "alice"})
			resumed := r.tell(tt.resume, workflows.Resume, workflows.Command{ID: "r", By: "alice"})
			r.run().promoted()
			require.NoError(t, paused.err)
			require.NoError(t, resumed.err)
			require.GreaterOrEqual(t, r.when(tt.next), tt.resume, r.story())
			require.False(t, r.status.Paused)
		})
	}
	t.Run("a paused candidate is still watched", func(t *testing.T) {
		r := prepare(t, twoSteps())
		r.at(2*time.Minute, workflows.Pause, workflows.Command{ID: "p", By: "alice"})
		r.world.BadFrom = 3 * time.Hour
		r.run().undone("failed at 10 % while people were asked")
	})
	t.Run("a pause that everybody has forgotten is undone", func(t *testing.T) {
		r := prepare(t, twoSteps())
		r.at(2*time.Minute, workflows.Pause, by("alice"))
		r.run().undone("paused for 168h without anybody coming back to it")
	})
	t.Run("a paused release can be aborted", func(t *testing.T) {
		r := prepare(t, twoSteps())
		r.at(2*time.Minute, workflows.Pause, workflows.Command{ID: "p", By: "alice"})
		r.at(3*time.Hour, workflows.Abort, by("bob"))
		r.run().undone("aborted by bob")
	})
}

func TestPromoteStandsForTheApprovalOfWhoeverGivesItAndForNobodyElses(t *testing.T) {
	r := prepare(t, asking(plan.Gate{Approvers: []string{"alice"}, Quorum: 1, Within: minutes(600)}))
	refused := r.tell(2*time.Minute, workflows.Promote, by("mallory"))
	accepted := r.tell(3*time.Minute, workflows.Promote, workflows.Command{ID: "now", By: "alice"})
	r.run().promoted()
	require.ErrorContains(t, refused.err, "mallory is not among the approvers [alice] of the gate of step 1")
	require.NoError(t, accepted.err)
}

func TestPromoteSkipsTheRemainingSteps(t *testing.T) {
	for name, tt := range map[string]struct {
		at     time.Duration
		states []workflows.StepState
	}{
		"before the first":     {10 * time.Second, []workflows.StepState{workflows.Skipped, workflows.Skipped}},
		"in the first":         {2 * time.Minute, []workflows.StepState{workflows.Skipped, workflows.Skipped}},
		"at the gate":          {20 * time.Minute, []workflows.StepState{workflows.Skipped, workflows.Skipped}},
		"in the last":          {35 * time.Minute, []workflows.StepState{workflows.Passed, workflows.Skipped}},
		"while it was paused ": {45 * time.Minute, []workflows.StepState{workflows.Passed, workflows.Skipped}},
	} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, asking(plan.Gate{Quorum: 1, Within: minutes(60)}))
			r.at(30*time.Minute, workflows.Approve, workflows.Command{ID: "a", By: "alice"})
			if tt.at == 45*time.Minute {
				r.at(36*time.Minute, workflows.Pause, workflows.Command{ID: "p", By: "alice"})
			}
			r.at(tt.at, workflows.Promote, workflows.Command{ID: "now", By: "carol", Reason: "hotfix"})
			r.run().promoted()
			got := []workflows.StepState{r.status.Track[0].State, r.status.Track[1].State}
			require.Equal(t, tt.states, got, r.story())
			require.Less(t, r.when("weight 100 %"), tt.at+30*time.Second)
			require.GreaterOrEqual(t, r.when("scale checkout to zero"), r.when("weight 100 %")+time.Hour, "the bake still follows")
		})
	}
}

func TestAtTheEndOfPatienceAStepDoesWhatThePlanSays(t *testing.T) {
	unproven := func(r *release) { r.in.Plan.Spec.Analysis.MinRequests = 10_000_000 }
	blind := func(r *release) { r.world.Fail(world.Measure, 0, errors.New("no route to Prometheus")) }
	for name, tt := range map[string]struct {
		says string
		is   func(*release)
		undo string // why it is undone; empty: it is promoted
	}{
		"ask, unproven":      {plan.AfterPatienceAsk, unproven, "nobody answered within 1h: step 1 is unproven (candidate answered "},
		"ask, blind":         {plan.AfterPatienceAsk, blind, "nobody answered within 1h: step 1 could not be measured"},
		"promote, unproven":  {plan.AfterPatiencePromote, unproven, ""},
		"promote, blind":     {plan.AfterPatiencePromote, blind, "nobody answered within 1h: step 1 could not be measured"},
		"rollback, unproven": {plan.AfterPatienceRollback, unproven, "step 1 at 10 % had no verdict in time: candidate answered "},
		"rollback, blind":    {plan.AfterPatienceRollback, blind, "step 1 at 10 % had no verdict in time: "},
	} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, twoSteps())
			r.in.Plan.Spec.Analysis.AfterPatience = tt.says
			tt.is(r)
			r.run()
			if tt.undo != "" {
				r.undone(tt.undo)
				require.NotContains(t, strings.Join(r.world.Timeline(), "\n"), "weight 50 %")
				return
			}
			r.promoted()
			for _, what := range []string{"step 1", "step 2", "the bake"} {
				require.Equal(t, 1, r.said("WARNING: "+what+" goes on unproven, as the plan says: candidate answered "), r.story())
			}
		})
	}
}

func TestWhatCannotBeMeasuredAsksPeople(t *testing.T) {
	blind := map[string]func(*world.World){
		"the source does not answer": func(w *world.World) { w.Fail(world.Measure, 0, errors.New("no route to Prometheus")) },
		"nobody sends a request":     func(w *world.World) { w.QuietFrom = time.Second },
	}
	for name, wrong := range blind {
		t.Run(name+", nobody answers", func(t *testing.T) {
			r := prepare(t, twoSteps())
			wrong(r.world)
			r.run().undone("nobody answered within 1h: step 1 could not be measured")
			require.NotContains(t, strings.Join(r.world.Timeline(), "\n"), "weight 50 %", "nothing advances on missing data")
		})
		t.Run(name+", people say go on", func(t *testing.T) {
			r := prepare(t, twoSteps())
			wrong(r.world)
			for i, at := range []time.Duration{20 * time.Minute, 60 * time.Minute, 160 * time.Minute} {
				r.at(at, workflows.Approve, workflows.Command{ID: string(rune('a' + i)), By: "alice"})
			}
			r.run().promoted()
			require.Equal(t, 20*time.Minute, r.when("weight 50 %"), r.story())
			require.Equal(t, 60*time.Minute, r.when("weight 100 %"), r.story())
			require.Equal(t, 160*time.Minute, r.when("weight 0 %"), r.story())
		})
	}
	t.Run("a source that comes back in time needs nobody", func(t *testing.T) {
		r := prepare(t, twoSteps())
		for n := 2; n < 12; n++ {
			r.world.Fail(world.Measure, n, errors.New("no route to Prometheus"))
		}
		r.run().promoted()
		require.Zero(t, r.said("asked:"))
	})
}

func TestEveryDetailNamesWhatIsNextWhoDoesItAndUntilWhen(t *testing.T) {
	runs := map[string]func(*release){
		"promoted": func(*release) {},
		"asked":    func(r *release) { r.world.QuietFrom = time.Second },
		"undone":   func(r *release) { r.world.SettleRefused = []int{50} },
		"paused": func(r *release) {
			r.at(2*time.Minute, workflows.Pause, workflows.Command{ID: "p", By: "alice"})
			r.at(20*time.Minute, workflows.Resume, workflows.Command{ID: "r", By: "alice"})
		},
	}
	for name, happens := range runs {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, asking(plan.Gate{Quorum: 1, Within: minutes(5)}))
			r.watchDetails()
			happens(r)
			r.at(10*time.Minute, workflows.Approve, workflows.Command{ID: "a", By: "alice"})
			r.run()
			require.NotEmpty(t, r.details)
			for _, text := range r.details {
				require.Regexp(t, `- next: \S+`, text)
				require.Regexp(t, `- owner: (slipway|people)\n`, text)
				if strings.Contains(text, "undo in reverse order") || strings.Contains(text, "the release has ended") {
					continue // an undo is not given up
				}
				require.Regexp(t, `- deadline: 2030-01-0[18]T\S+, then \S+`, text)
			}
		})
	}
}

func TestStatusAnswersFromTheFirstMomentToTheLast(t *testing.T) {
	r := prepare(t, twoSteps())
	var seen []workflows.Phase
	for _, at := range []time.Duration{10 * time.Second, 3 * time.Minute, 15*time.Minute + 22500*time.Millisecond, 40 * time.Minute} {
		r.env.RegisterDelayedCallback(func() { seen = append(seen, r.query().Phase) }, at)
	}
	r.run().promoted()
	require.Equal(t, []workflows.Phase{workflows.Deploying, workflows.Stepping, workflows.Promoting, workflows.Baking}, seen)
	require.Equal(t, "checkout", r.status.Stable)
	require.Equal(t, "checkout-green", r.status.Candidate)
	require.Equal(t, 75*time.Minute+24*time.Second, r.status.Ended.Sub(r.status.Started))
}
