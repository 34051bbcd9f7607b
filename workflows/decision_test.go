// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// approval is what ann's click says at the gate of step 1.
func approval() statement.Statement {
	return statement.Statement{
		ID: "click", Who: "ann", Groups: []string{"@team-checkout"}, How: "slack", What: workflows.Approve, Release: "checkout-abc123", Step: "question 1.1",
		Digest: strings.TrimPrefix(world.NewImage, "registry.example/checkout@"), PlanHash: planHash,
	}
}

// gated asks the group of ann.
func gated(t *testing.T) *release {
	t.Helper()
	return prepare(t, asking(plan.Gate{Approvers: []string{"@team-checkout", "bob"}, Quorum: 1, Within: minutes(60)}))
}

// when10 is when the gate is open.
const when10 = 10 * time.Minute

// decide sends a statement by update and returns the answer.
func (r *release) decide(after time.Duration, change func(*statement.Statement)) *answer {
	a := &answer{}
	r.env.RegisterDelayedCallback(func() {
		s := approval()
		if change != nil {
			change(&s)
		}
		r.update(s.What, r.sign(s), a)
	}, after)
	return a
}

func TestAMemberOfAGroupOpensTheGate(t *testing.T) {
	r := gated(t)
	a := r.decide(when10, nil)
	r.run().promoted()
	require.NoError(t, a.err)
	require.Equal(t, when10, r.when("weight 50 %"), r.story())
	require.Equal(t, 1, r.said("approve by ann (slack)"))
}

func TestADecisionAboutSomethingElseChangesNothing(t *testing.T) {
	forged := func(r *release) workflows.Command {
		key, err := statement.Generate(bytes.NewReader(bytes.Repeat([]byte{9}, 32)))
		require.NoError(r.t, err)
		s := approval()
		s.At = r.env.Now().Truncate(time.Millisecond)
		s.Expires = s.At.Add(time.Hour)
		signed, err := key.Sign(s)
		require.NoError(r.t, err)
		return workflows.Command{Statement: &signed}
	}
	changed := func(change func(*statement.Statement)) func(*release) workflows.Command {
		return func(r *release) workflows.Command {
			s := approval()
			change(&s)
			return r.sign(s)
		}
	}
	tests := map[string]struct {
		cmd  func(*release) workflows.Command
		want string
	}{
		"bare":               {func(*release) workflows.Command { return workflows.Command{ID: "1", By: "bob"} }, "approve counts only with a signed statement"},
		"by another key":     {forged, "the statement is not believed: it is signed by key"},
		"another release":    {changed(func(s *statement.Statement) { s.Release = "checkout-old" }), "about release checkout-old, and this is checkout-abc123"},
		"another question":   {changed(func(s *statement.Statement) { s.Step = "question 2.2" }), "about question 2.2, and the release is at question 1.1 by now: look again"},
		"another digest":     {changed(func(s *statement.Statement) { s.Digest = "sha256:1" }), "about the image sha256:1, and this release is of sha256:"},
		"another plan":       {changed(func(s *statement.Statement) { s.PlanHash = "cd" }), "about another plan"},
		"another decision":   {changed(func(s *statement.Statement) { s.What = workflows.Pause }), "the statement says pause, and not approve"},
		"an outsider":        {changed(func(s *statement.Statement) { s.Who, s.Groups = "mallory", []string{"@ops"} }), "mallory is not among the approvers [@team-checkout bob]"},
		"a group as a name":  {changed(func(s *statement.Statement) { s.Who, s.Groups = "@team-checkout", nil }), "is not among the approvers"},
		"expired":            {changed(func(s *statement.Statement) { s.At = time.Date(2030, 1, 1, 8, 0, 0, 0, time.UTC) }), "not believed: it has expired 10m0s ago"},
		"from the future":    {changed(func(s *statement.Statement) { s.At = time.Date(2030, 1, 1, 9, 30, 0, 0, time.UTC) }), "in the future"},
		"changed on its way": {func(r *release) workflows.Command { c := r.sign(approval()); c.Statement.Who = "bob"; return c }, "its signature is not that of key"},
		"told beside it": {func(r *release) workflows.Command {
			c := changed(func(s *statement.Statement) { s.Who, s.Groups = "mallory", nil })(r)
			c.By = "bob"
			return c
		}, "mallory is not among the approvers"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, a := gated(t), &answer{}
			r.env.RegisterDelayedCallback(func() { r.update(workflows.Approve, tt.cmd(r), a) }, when10)
			r.env.RegisterDelayedCallback(func() { r.env.SignalWorkflow(workflows.Approve, tt.cmd(r)) }, when10+time.Minute)
			r.run().undone("nobody answered within 1h")
			require.ErrorContains(t, a.err, tt.want)
			require.Positive(t, r.said(" refused: "), "a signal is told in the story: "+r.story())
			require.Zero(t, r.said("weight 50 %"))
		})
	}
}

func TestABareUpdateIsRecordedAFewTimesAndThenRefusedForNothing(t *testing.T) {
	r := gated(t)
	var answers []*answer
	for i := range 30 {
		answers = append(answers, r.tell(when10, workflows.Approve, workflows.Command{ID: fmt.Sprint(i), By: "bob"}))
	}
	r.bareOnly = true
	r.run().undone("nobody answered")
	for _, a := range answers {
		require.ErrorContains(t, a.err, "counts only with a signed statement")
	}
	require.Equal(t, 10, r.said("approve by bob refused: approve counts only"), r.story())
}

func TestFourEyes(t *testing.T) {
	g := plan.Gate{Approvers: []string{"alice", "ann"}, Quorum: 1, FourEyes: true, Within: minutes(60)}
	r := prepare(t, asking(g)) // alice has requested it
	own := r.tell(when10, workflows.Approve, by("alice"))
	past := r.tell(when10, workflows.Promote, by("alice"))
	other := r.tell(when10+time.Minute, workflows.Approve, by("ann"))
	r.run().promoted()
	require.ErrorContains(t, own.err, "alice has requested the release, and this question needs somebody else")
	require.ErrorContains(t, past.err, "alice has requested the release, and the gate of step 1 needs somebody else")
	require.NoError(t, other.err)
	require.Equal(t, when10+time.Minute, r.when("weight 50 %"))
}

func TestARejectionEndsTheReleaseWithItsReason(t *testing.T) {
	for name, who := range map[string]string{"by an approver": "bob", "by whoever has requested it": "alice"} {
		t.Run(name, func(t *testing.T) {
			r := gated(t)
			early := r.tell(2*time.Minute, workflows.Reject, by(who))
			outsider := r.tell(when10, workflows.Reject, by("mallory"))
			silent := r.tell(when10, workflows.Reject, workflows.Command{ID: "1", By: who})
			said := r.tell(when10+time.Minute, workflows.Reject, workflows.Command{ID: "2", By: who, Reason: "too slow"})
			late := r.tell(when10+time.Minute+100*time.Millisecond, workflows.Approve, by("bob"))
			r.run().undone("rejected by " + who + ": too slow")
			require.ErrorContains(t, early.err, "nothing is waiting for an answer; an abort ends the release")
			require.ErrorContains(t, outsider.err, "mallory is not among the approvers")
			require.ErrorContains(t, silent.err, "a rejection needs a reason")
			require.NoError(t, said.err)
			require.ErrorContains(t, late.err, "the release is being undone")
			require.Equal(t, when10+time.Minute, r.when("weight 0 %"))
		})
	}
}

func TestFiftyClicksAtOnceAreOneDecision(t *testing.T) {
	r := prepare(t, asking(plan.Gate{Quorum: 1, Within: minutes(60)}))
	var answers []*answer
	for i := range 50 {
		answers = append(answers, r.decide(when10, func(s *statement.Statement) {
			s.ID, s.Who = fmt.Sprint("click-", i), fmt.Sprint("person-", i)
			if i%2 == 1 {
				s.What, s.Reason = workflows.Reject, "no"
			}
		}))
	}
	r.run()
	obeyed := 0
	for _, a := range answers {
		if a.err == nil {
			obeyed++
		}
	}
	require.Equal(t, 1, obeyed, "whichever is verified first")
	require.Equal(t, 1, r.said(" (slack)"), r.story())
	if r.status.Phase == workflows.Promoted {
		r.promoted()
	} else {
		r.undone("rejected by person-")
	}
}

func TestOneClickThatArrivesFiftyTimesCountsOnce(t *testing.T) {
	r := prepare(t, asking(plan.Gate{Quorum: 2, Within: minutes(60)}))
	for i := range 50 {
		a := r.decide(when10+time.Duration(i)*time.Millisecond, nil)
		t.Cleanup(func() { require.NoError(t, a.err) })
	}
	r.run().undone("nobody answered")
	require.Equal(t, 1, r.said("approve by ann"), r.story())
}

func TestTheStatusSaysWhatIsAsked(t *testing.T) {
	r := prepare(t, asking(plan.Gate{Approvers: []string{"bob", "@ops"}, Quorum: 2, FourEyes: true, Within: minutes(60)}))
	r.at(when10, workflows.Approve, by("bob"))
	var seen workflows.Status
	r.env.RegisterDelayedCallback(func() { seen = r.query() }, when10+time.Second)
	r.run().undone("nobody answered")
	require.Empty(t, cmp.Diff(&workflows.Question{
		ID: "1.1", Text: "approval by 2 of [bob @ops]", Approvers: []string{"bob", "@ops"}, Quorum: 2, Approvals: []string{"bob"}, FourEyes: true, Asked: began().Add(gateAsks),
	}, seen.Asks))
	require.Equal(t, "question 1.1", seen.Where())
	require.Equal(t, planHash, seen.PlanHash)
	require.Nil(t, r.status.Asks)
}

func TestAnAbortIsObeyedAtOnceAndItsNameLookedIntoAfterwards(t *testing.T) {
	said := func(r *release, change func(*workflows.Command)) {
		r.env.RegisterDelayedCallback(func() {
			s := approval()
			s.What, s.Step, s.Reason = workflows.Abort, "stepping 1", "too slow"
			c := r.sign(s)
			change(&c)
			r.env.SignalWorkflow(workflows.Abort, c)
		}, 2*time.Minute)
	}
	tests := map[string]struct {
		change func(*workflows.Command)
		want   string
	}{
		"with a statement":                    {func(*workflows.Command) {}, "aborted by ann: too slow"},
		"with a statement that is not signed": {func(c *workflows.Command) { c.Statement.Signature = "" }, "aborted by ann (unverified): too slow"},
		"without a statement":                 {func(c *workflows.Command) { *c = by("ann") }, "aborted by ann (unverified): said ann"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, twoSteps())
			said(r, tt.change)
			r.run().undone(tt.want)
			require.Equal(t, 2*time.Minute, r.when("weight 0 %"), "nothing is waited for")
		})
	}
	t.Run("one that is meant for another release aborts nothing", func(t *testing.T) {
		r, a := prepare(t, twoSteps()), &answer{}
		r.env.RegisterDelayedCallback(func() {
			s := approval()
			s.What, s.Release, s.Reason = workflows.Abort, "checkout-old", "too slow"
			r.update(workflows.Abort, r.sign(s), a)
		}, 2*time.Minute)
		r.run().promoted()
		require.ErrorContains(t, a.err, "the statement is about release checkout-old, and this is checkout-abc123")
	})
}

func TestAnAbortBeforeAnythingWasDoneKnowsItsNameToo(t *testing.T) {
	r := prepare(t, twoSteps())
	r.onCompleted(1, func() {
		s := approval()
		s.What, s.Step, s.Reason = workflows.Abort, "preflight 0", "wrong image"
		r.env.SignalWorkflow(workflows.Abort, r.sign(s))
	})
	r.run().failed(workflows.Refused, "aborted by ann: wrong image; nothing was changed")
}
