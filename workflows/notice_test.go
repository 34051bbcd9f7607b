// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// telling is a plan with receivers.
func telling(p plan.Plan, all ...plan.Notification) plan.Plan {
	for i := range all {
		all[i].Within = minutes(60)
		if all[i].Severity == "" {
			all[i].Severity = plan.Info
		}
	}
	p.Spec.Notifications = all
	return p
}

func to(names ...string) plan.Notification { return plan.Notification{To: names} }

func (r *release) notices(seen int) activities.Notices {
	r.t.Helper()
	value, err := r.env.QueryWorkflow(workflows.NoticesQuery, seen)
	require.NoError(r.t, err)
	var out activities.Notices
	require.NoError(r.t, value.Get(&out))
	return out
}

// told is who was told what, as "key: chat, (pager)"; those in brackets only close something.
func (r *release) told() []string {
	r.t.Helper()
	all := r.notices(0)
	require.True(r.t, all.Ended)
	require.Empty(r.t, all.IfBroken, "it has ended by itself")
	var out []string
	for _, n := range all.New {
		var names []string
		for _, a := range n.To {
			names = append(names, a.Name)
		}
		for _, a := range n.Closes {
			names = append(names, "("+a.Name+")")
		}
		out = append(out, strings.TrimPrefix(n.Key, r.in.ID+"/")+": "+strings.Join(names, ", "))
	}
	return out
}

func TestAReleaseTellsItsStory(t *testing.T) {
	p := telling(asking(plan.Gate{Approvers: []string{"bob"}, Quorum: 1, Within: minutes(60)}), to("chat"))
	r := prepare(t, p)
	r.in.Source = workflows.Source{Repository: "acme/checkout", Commit: "c0ffee"}
	r.at(10*time.Minute, workflows.Approve, by("bob"))
	r.run().promoted()
	require.Equal(t, []string{"started/0: chat", "gate/1: chat", "step/1: chat", "step/2: chat", "promoted/2: chat"}, r.told())
	all := r.notices(0).New
	require.Equal(t, world.NewImage+" by canary requested by alice", all[0].Text)
	gate := all[1].Notice
	require.Equal(t, "approval by 1 of [bob]", gate.Text)
	require.Equal(t, workflows.OwnerPeople, gate.Owner)
	require.Equal(t, gate.At.Add(time.Hour), gate.Deadline)
	require.Equal(t, "the release is undone", gate.AtDeadline)
	require.Equal(t, "acme/checkout", gate.Source.Repository)
	require.Equal(t, 10, gate.Weight)
	require.Contains(t, all[2].Text, "step 1 of 2 passed: 10 %: candidate failed 0 of ")
	require.Equal(t, r.status.Outcome, all[4].Text)
	require.Len(t, r.notices(3).New, 2, "those after the first three")
	require.Empty(t, r.notices(99).New)
}

func TestEveryEndIsToldToThoseWhoAreToHearOfIt(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*release)
		want    []string
	}{
		"undone": {
			func(r *release) { r.world.BadFromWeight = 10 },
			[]string{"started/0: chat", "undone/1: chat, log"},
		},
		"refused": {
			func(r *release) { r.world.Fail(world.Inspect, 0, errors.New("no")) },
			[]string{"started/0: chat", "failed/0: chat, log"},
		},
		"needs a person": {
			func(r *release) {
				r.world.BadFromWeight = 10
				r.world.Fail(world.Retire, 0, errors.New("no"))
			},
			[]string{"started/0: chat", "needs-person/1: chat, log, pager"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			critical := plan.Notification{To: []string{"pager"}, Severity: plan.Critical}
			severe := plan.Notification{To: []string{"log"}, Severity: plan.Error}
			r := prepare(t, telling(twoSteps(), to("chat"), severe, critical))
			tt.prepare(r)
			r.run()
			require.Equal(t, tt.want, r.told(), r.story())
		})
	}
}

func TestWhoKnowsOfAWaitHearsThatItIsOver(t *testing.T) {
	warned := plan.Notification{To: []string{"pager"}, Severity: plan.Warning}
	p := telling(asking(plan.Gate{Quorum: 1, Within: minutes(60)}), warned, plan.Notification{To: []string{"mail"}, Events: []plan.Event{plan.Promoted}})
	r := prepare(t, p)
	r.at(10*time.Minute, workflows.Approve, by("bob"))
	r.run().promoted()
	require.Equal(t, []string{"gate/1: pager", "step/1: (pager)", "promoted/2: mail"}, r.told())
}

func TestAWaitThatEndsWithTheReleaseIsClosedByItsEnd(t *testing.T) {
	p := telling(asking(plan.Gate{Quorum: 1, Within: minutes(5)}), plan.Notification{To: []string{"chat"}, Events: []plan.Event{plan.GateWaits}})
	r := prepare(t, p).run()
	r.undone("nobody answered")
	require.Equal(t, []string{"gate/1: chat", "undone/1: (chat)"}, r.told())
}

func TestEachWaitOfAStepHasAKeyOfItsOwn(t *testing.T) {
	r := prepare(t, telling(twoSteps(), to("chat")))
	for i, name := range []string{workflows.Pause, workflows.Resume, workflows.Pause, workflows.Resume} {
		after := []time.Duration{2 * time.Minute, 7 * time.Minute, 12 * time.Minute, 20 * time.Minute}[i]
		r.at(after, name, workflows.Command{ID: fmt.Sprint(i), By: "bob"})
	}
	r.run().promoted()
	require.Equal(t, []string{"started/0: chat", "held/1: chat", "step/1: chat", "held/2: chat", "step/2: chat", "promoted/2: chat"}, r.told(), r.story())
	r = prepare(t, telling(asking(plan.Gate{Quorum: 1, Within: minutes(60)}), to("chat")))
	r.world.QuietFrom = 25 * time.Second
	r.at(10*time.Minute, workflows.Approve, workflows.Command{ID: "1", By: "bob"})
	r.at(20*time.Minute, workflows.Approve, workflows.Command{ID: "2", By: "bob"})
	r.run()
	require.Subset(t, r.told(), []string{"gate/1: chat", "gate/1-2: chat"}, "no verdict, then the gate")
}

func TestAReleaseThatIsEndedByForceHasPreparedWhatIsToBeTold(t *testing.T) {
	r := prepare(t, telling(twoSteps(), to("chat"), plan.Notification{To: []string{"quiet"}, Events: []plan.Event{plan.Promoted}}))
	var seen activities.Notices
	r.env.RegisterDelayedCallback(func() { seen = r.notices(0) }, 7*time.Minute)
	r.run().promoted()
	require.False(t, seen.Ended)
	require.Len(t, seen.IfBroken, 1)
	told := seen.IfBroken[0]
	require.Equal(t, "checkout-abc123/failed/2", told.Key)
	require.Equal(t, []plan.Addressee{{Name: "chat", Within: minutes(60)}}, told.To)
	require.Contains(t, told.Text, "slipway rescue")
}

func TestAWaitIsClosedAlsoWhereTheReleaseIsEndedByForce(t *testing.T) {
	r := prepare(t, telling(asking(plan.Gate{Quorum: 1, Within: minutes(60)}), plan.Notification{To: []string{"pager"}, Events: []plan.Event{plan.GateWaits}}))
	var before, waiting activities.Notices
	r.env.RegisterDelayedCallback(func() { before = r.notices(0) }, 2*time.Minute)
	r.env.RegisterDelayedCallback(func() { waiting = r.notices(0) }, 8*time.Minute)
	r.at(10*time.Minute, workflows.Approve, by("bob"))
	r.run().promoted()
	require.Empty(t, before.IfBroken, "nobody would hear of it")
	require.Len(t, waiting.IfBroken, 1)
	require.Empty(t, waiting.IfBroken[0].To)
	require.Equal(t, "pager", waiting.IfBroken[0].Closes[0].Name)
	require.Equal(t, []string{"gate/1: pager", "step/1: (pager)"}, r.told())
}

func TestAPlanWithoutReceiversTellsNothing(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		r := prepare(t, p).run()
		require.Empty(t, r.told())
	})
}

func TestEveryStrategyTellsItsBeginningAndItsEnd(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		r := prepare(t, telling(p, to("chat"))).run()
		r.promoted()
		all := r.told()
		require.Equal(t, "started/0: chat", all[0])
		require.Contains(t, all[len(all)-1], "promoted/")
	})
}
