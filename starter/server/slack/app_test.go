// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server/slack/payload"
	"github.com/slipwayhq/slipway/testsuite/fakeslack"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
)

// stage is one release in a Temporal of memory, an app that shows it, and a workspace with people.
type stage struct {
	t     *testing.T
	slack *fakeslack.Slack
	app   *App
	log   *safeBuffer
	stop  func()

	mu        sync.Mutex
	status    workflows.Status
	decisions []client.Decision
	ids       map[string]bool
	answer    error
}

var _ releases = (*stage)(nil)

func asking() workflows.Status {
	return workflows.Status{
		ID: "checkout-k3v9qa", Service: "checkout", Environment: "production", Namespace: "shop", Strategy: "canary", RequestedBy: "ada",
		Image: "registry.example/checkout@sha256:" + strings.Repeat("0", 64), PlanHash: strings.Repeat("ab", 32),
		Phase: workflows.Stepping, Weight: 25, Step: 1, Steps: 2, Stable: "checkout", Candidate: "checkout-green",
		Track: []workflows.StepStatus{{Weight: 25, State: workflows.Asking}, {Weight: 50, State: workflows.Pending}},
		Next:  "approval by 1 of [@team-checkout]", Owner: workflows.OwnerPeople, Started: time.Now().Add(-time.Minute),
		Asks:     &workflows.Question{ID: "1.1", Text: "approval by 1 of [@team-checkout]", Approvers: []string{"@team-checkout", "bob"}, Quorum: 1, Asked: time.Now()},
		Deadline: time.Now().Add(time.Hour), AtDeadline: "the release is undone",
		Log: []workflows.Event{{At: time.Now().Add(-time.Minute), Text: "preflight passed"}, {At: time.Now(), Weight: 25, Text: "asked: <!channel> & `you`"}},
	}
}

func open(t *testing.T, socket bool) *stage {
	t.Helper()
	s := &stage{t: t, slack: fakeslack.Start(), status: asking(), ids: map[string]bool{}, log: &safeBuffer{}}
	t.Cleanup(s.slack.Close)
	for _, u := range []fakeslack.User{
		{ID: "U1ANN"}, {ID: "U2BOB"}, {ID: "U3EVE"}, {ID: "U4GUEST", Restricted: true}, {ID: "U5GONE", Deleted: true}, {ID: "U6BOT", Bot: true}, {ID: "U7FAR", Stranger: true},
	} {
		s.slack.AddUser(u)
	}
	s.slack.SetGroup("S1TEAM", "U1ANN", "U4GUEST", "U5GONE")
	s.start(socket)
	return s
}

// start makes an app that knows nothing, as after a restart.
func (s *stage) start(socket bool) {
	s.t.Helper()
	c := Config{
		BotToken: fakeslack.BotToken, SigningSecret: fakeslack.SigningSecret, Channels: Channels{"*": fakeslack.Channel},
		Every: 20 * time.Millisecond, API: s.slack.API(),
		names: names{People: map[string]string{"ann": "U1ANN", "bob": "U2BOB"}, Groups: map[string]string{"@team-checkout": "S1TEAM"}},
	}
	if socket {
		c.AppToken, c.SigningSecret = fakeslack.AppToken, ""
	}
	s.app = newApp(Options{Config: c, Log: slog.New(slog.NewTextHandler(s.log, nil)), Now: time.Now})
	s.app.releases = s
	server := httptest.NewServer(s.app.Handler())
	if !socket {
		s.slack.Interactions = server.URL
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	app := s.app
	go func() { done <- app.Run(ctx) }()
	stopped := sync.OnceFunc(func() {
		cancel()
		require.NoError(s.t, <-done)
		server.Close()
	})
	s.stop = stopped
	s.t.Cleanup(stopped)
	s.until("the app is ready", func() bool { return app.Ready() && (!socket || s.slack.Connected() > 0) })
}

// Recent implements releases.
func (s *stage) Recent(context.Context, time.Time) ([]client.Found, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []client.Found{{Past: client.Past{ID: s.status.ID, Started: s.status.Started}, Lane: client.Lane{Environment: "production", Name: "checkout"}}}, nil
}

// StatusOf implements releases.
func (s *stage) StatusOf(ctx context.Context, _ client.Found) (workflows.Status, error) {
	return s.Status(ctx, client.Lane{})
}

// Status implements releases.
func (s *stage) Status(context.Context, client.Lane) (workflows.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status, nil
}

// Decide implements releases: it counts each ID once.
func (s *stage) Decide(_ context.Context, d client.Decision) (client.Decided, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ids[d.ID] {
		s.decisions = append(s.decisions, d)
	}
	s.ids[d.ID] = true
	return client.Decided{Status: s.status}, s.answer
}

func (s *stage) change(f func(*workflows.Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.status)
}

func (s *stage) decided() []client.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]client.Decision(nil), s.decisions...)
}

func (s *stage) until(what string, ok func() bool) {
	s.t.Helper()
	require.Eventually(s.t, ok, 20*time.Second, 5*time.Millisecond, what)
}

// message waits until there is one that shows a text.
func (s *stage) message(text string) fakeslack.Message {
	s.t.Helper()
	var m fakeslack.Message
	s.until("a message that shows "+text, func() bool {
		all := s.slack.Messages()
		if len(all) == 0 {
			return false
		}
		m = all[len(all)-1]
		return strings.Contains(m.Shown(), text)
	})
	return m
}

// told waits for what a user was told last.
func (s *stage) told(user, text string) {
	s.t.Helper()
	s.until(user+" is told "+text, func() bool {
		all := s.slack.Whispers(user)
		return len(all) > 0 && strings.Contains(all[len(all)-1].Text, text)
	})
}

// replies are those of one kind in the thread of a message.
func (s *stage) replies(m fakeslack.Message, kind string) []fakeslack.Message {
	return slices.DeleteFunc(s.slack.Replies(m.TS), func(r fakeslack.Message) bool { return r.Metadata.EventType != kind })
}

func send(t *testing.T, d fakeslack.Delivery) string {
	t.Helper()
	text, err := d.Send(t.Context())
	require.NoError(t, err)
	return text
}

func TestAReleaseIsOneMessageThatIsKeptUpToDateAndAThread(t *testing.T) {
	s := open(t, false)
	m := s.message("approval by 1 of")
	for _, text := range []string{"stable    ███████████████░░░░░  75 %", "candidate █████░░░░░░░░░░░░░░░  25 %", "step 1 of 2 (25 %): asking", "requested by ada"} {
		require.Contains(t, m.Shown(), text)
	}
	s.until("the thread has the story", func() bool { return len(s.replies(m, storyEvent)) == 1 })
	require.Contains(t, s.replies(m, storyEvent)[0].Text, "asked: &lt;!channel&gt; &amp; 'you'", "nobody is mentioned by what others have written")
	s.change(func(st *workflows.Status) {
		st.Asks, st.Phase, st.Weight, st.Outcome = nil, workflows.Promoted, 100, "v2 serves everything"
		st.Log = append(st.Log, workflows.Event{At: time.Now(), Weight: 100, Text: "promoted: v2"})
	})
	m = s.message("*promoted*: v2 serves everything")
	require.Empty(t, m.Buttons(), "nothing is left to decide")
	s.until("the end is told", func() bool { return len(s.replies(m, storyEvent)) == 2 })
	require.Len(t, s.slack.Messages(), 1)
	require.NotContains(t, s.replies(m, storyEvent)[1].Text, "preflight passed", "nothing is told twice")
}

func TestAfterARestartAMessageIsFoundAgain(t *testing.T) {
	s := open(t, false)
	m := s.message("approval by 1 of")
	s.until("the thread has the story", func() bool { return len(s.replies(m, storyEvent)) == 1 })
	s.stop()
	s.change(func(st *workflows.Status) {
		st.Weight = 50
		st.Log = append(st.Log, workflows.Event{At: time.Now(), Weight: 50, Text: "shifted 50 %"})
	})
	s.start(false)
	s.message("candidate ██████████░░░░░░░░░░  50 %")
	s.until("the rest is told", func() bool { return len(s.replies(m, storyEvent)) == 2 })
	require.Len(t, s.slack.Messages(), 1)
	require.NotContains(t, s.replies(m, storyEvent)[1].Text, "preflight passed")
}

func TestThoseWhoMayAnswerAreCalledByNameAndRemindedOnce(t *testing.T) {
	s := open(t, false)
	m := s.message("approval by 1 of")
	s.until("they are called", func() bool { return len(s.replies(m, askEvent)) == 1 })
	require.Contains(t, s.replies(m, askEvent)[0].Text, ":raised_hand: <!subteam^S1TEAM> <@U2BOB> approval by 1 of [@team-checkout], until <!date^")
	s.stop()
	s.change(func(st *workflows.Status) { st.Asks.Asked = time.Now().Add(-2 * time.Hour) })
	s.start(false)
	s.until("they are reminded", func() bool { return len(s.replies(m, askEvent)) == 2 })
	require.Contains(t, s.replies(m, askEvent)[1].Text, ":alarm_clock: half of the time is over: <!subteam^S1TEAM>")
	s.change(func(st *workflows.Status) { st.Weight = 50 })
	s.message("candidate ██████████░░░░░░░░░░  50 %")
	require.Len(t, s.replies(m, askEvent), 2)
}

func TestAMessageThatSomebodyDeletesComesBackWithTheNextNews(t *testing.T) {
	s := open(t, false)
	s.slack.Delete(s.message("approval by 1 of").TS)
	s.change(func(st *workflows.Status) { st.Weight = 50 })
	s.message("candidate ██████████░░░░░░░░░░  50 %")
	require.Len(t, s.slack.Messages(), 1)
}

func TestAClickThatWasAcceptedIsWorkedOnThoughTheProgramEnds(t *testing.T) {
	s := open(t, false)
	m := s.message("approval by 1 of")
	s.slack.Fail("users.info", fakeslack.Fault{Slow: 300 * time.Millisecond})
	send(t, s.slack.Click("U1ANN", m, "slipway_approve"))
	s.stop()
	require.Len(t, s.decided(), 1)
	s.told("U1ANN", "is accepted")
	require.False(t, s.app.accept(&click{Click: payload.Click{Command: workflows.Pause}}), "nothing is let in that nobody works on")
}

// TestWhateverSlackDoesNothingIsShownTwice posts into a Slack that does what it is asked and then hangs up.
func TestWhateverSlackDoesNothingIsShownTwice(t *testing.T) {
	for name, fault := range map[string]fakeslack.Fault{
		"an answer that is lost": {Lost: true}, "limited": {Limited: time.Second}, "down": {Down: true}, "slow": {Slow: 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, false)
			s.stop()
			for _, method := range []string{"chat.postMessage", "chat.postMessage", "chat.update", "conversations.history", "conversations.replies", "auth.test"} {
				s.slack.Fail(method, fault)
			}
			s.change(func(st *workflows.Status) {
				st.ID = "checkout-second"
				st.Log[1].Text = "the second one"
			})
			s.start(false)
			m := s.message("checkout-second")
			s.until("the thread has the story", func() bool { return len(s.replies(m, storyEvent)) > 0 })
			s.change(func(st *workflows.Status) { st.Weight = 75 })
			s.message("75 %")
			seen := 0
			for _, m := range s.slack.Messages() {
				if strings.Contains(m.Shown(), "checkout-second") {
					seen++
				}
			}
			require.Equal(t, 1, seen)
			require.Len(t, s.replies(m, storyEvent), 1)
		})
	}
}

func TestAClickIsWhoClickedAndWhatTheyLookedAt(t *testing.T) {
	for name, socket := range map[string]bool{"by HTTP": false, "by Socket Mode": true} {
		t.Run(name, func(t *testing.T) {
			s := open(t, socket)
			send(t, s.slack.Click("U1ANN", s.message("approval by 1 of"), "slipway_approve"))
			s.told("U1ANN", "approve of checkout-k3v9qa by ann is accepted")
			d := s.decided()[0]
			require.NotEmpty(t, d.ID)
			d.ID = ""
			require.Equal(t, client.Decision{
				Lane: client.Lane{Environment: "production", Name: "checkout"}, Command: "approve", Who: "ann", Groups: []string{"@team-checkout"}, How: "slack",
				Reason: "clicked in Slack", Seen: client.Seen{
					Release: "checkout-k3v9qa", Where: "question 1.1", Digest: "sha256:" + strings.Repeat("0", 64), PlanHash: strings.Repeat("ab", 32),
				},
			}, d)
		})
	}
}

// TestWhoMayDecide is the table of people: what Slack says of them at the moment of the click.
func TestWhoMayDecide(t *testing.T) {
	tests := map[string]struct {
		user   string
		before func(*stage)
		who    string
		groups []string
		told   string
	}{
		"a member of the group":               {"U1ANN", nil, "ann", []string{"@team-checkout"}, ""},
		"somebody who is named":               {"U2BOB", nil, "bob", nil, ""},
		"somebody without a name in plans":    {"U3EVE", nil, "slack:T0FAKE/U3EVE", nil, ""},
		"a guest, though in the group":        {"U4GUEST", nil, "", nil, "is a guest"},
		"somebody who is deactivated":         {"U5GONE", nil, "", nil, "is deactivated"},
		"a bot":                               {"U6BOT", nil, "", nil, "is a bot"},
		"somebody of another workspace":       {"U7FAR", nil, "", nil, "is of another workspace"},
		"somebody whom Slack does not know":   {"U8NOBODY", nil, "", nil, "ask Slack who U8NOBODY is: user_not_found"},
		"somebody who has just left the team": {"U1ANN", func(s *stage) { s.slack.SetGroup("S1TEAM", "U2BOB") }, "ann", nil, ""},
		"a Slack that does not say who it is": {"U1ANN", func(s *stage) { s.slack.Fail("users.info", fakeslack.Fault{Down: true}) }, "", nil, "ask Slack who U1ANN is"},
		"a Slack that does not say who is in the group": {"U1ANN", func(s *stage) {
			s.slack.Fail("usergroups.users.list", fakeslack.Fault{Error: "missing_scope"})
		}, "", nil, "ask Slack who is in @team-checkout: missing_scope"},
		"a named person needs no group": {"U2BOB", func(s *stage) {
			s.slack.Fail("usergroups.users.list", fakeslack.Fault{Error: "missing_scope"})
		}, "bob", nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t, false)
			m := s.message("approval by 1 of")
			if tt.before != nil {
				tt.before(s)
			}
			send(t, s.slack.Click(tt.user, m, "slipway_approve"))
			if tt.told != "" {
				s.told(tt.user, "nothing has changed: ")
				s.told(tt.user, tt.told)
				require.Empty(t, s.decided())
				return
			}
			s.told(tt.user, "is accepted")
			require.Equal(t, tt.who, s.decided()[0].Who)
			require.Equal(t, tt.groups, s.decided()[0].Groups)
		})
	}
}

func TestAClickThatSlackSendsTwiceCountsOnce(t *testing.T) {
	s := open(t, false)
	m := s.message("approval by 1 of")
	click := s.slack.Click("U1ANN", m, "slipway_approve")
	send(t, click)
	send(t, click)
	s.until("both are answered", func() bool { return len(s.slack.Whispers("U1ANN")) == 2 })
	require.Len(t, s.decided(), 1)
	send(t, s.slack.Click("U2BOB", m, "slipway_approve"))
	s.told("U2BOB", "is accepted")
	require.Len(t, s.decided(), 2, "another person is another decision")
}

func TestFiftyClicksAreAcknowledgedAndEachIsAnswered(t *testing.T) {
	s := open(t, false)
	m := s.message("approval by 1 of")
	s.slack.Fail("users.info", fakeslack.Fault{Slow: 500 * time.Millisecond})
	var group sync.WaitGroup
	errs := make(chan error, 50)
	for i := range 50 {
		user := fmt.Sprintf("U9N%d", i)
		s.slack.AddUser(fakeslack.User{ID: user})
		group.Go(func() {
			_, err := s.slack.Click(user, m, "slipway_pause").Send(context.Background())
			errs <- err
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err, "acknowledged within 3 seconds")
	}
	for i := range 50 {
		s.told(fmt.Sprintf("U9N%d", i), "pause of checkout-k3v9qa")
	}
}

func TestWhatCanBeClickedFollowsTheRelease(t *testing.T) {
	s := open(t, false)
	buttons := func(text string, change func(*workflows.Status)) []string {
		s.change(change)
		return slices.Sorted(maps.Keys(s.message(text).Buttons()))
	}
	named := func(all ...string) []string {
		for i := range all {
			all[i] = "slipway_" + all[i]
		}
		return all
	}
	require.Equal(t, named("abort", "approve", "pause", "promote", "reject"), buttons("approval by 1 of", func(*workflows.Status) {}))
	require.Equal(t, named("abort", "override", "pause", "promote"), buttons("frozen by", func(st *workflows.Status) {
		st.Asks, st.Held, st.Next = nil, &decide.Hold{Kind: decide.Freeze}, "frozen by ann"
	}))
	require.Equal(t, named("abort", "pause"), buttons("watched alone", func(st *workflows.Status) {
		st.Held, st.Phase, st.Next = nil, workflows.Baking, "watched alone"
	}), "there is nothing left to skip")
}

func TestAPromotionCarriesEveryGroupOfWhoeverAsksForIt(t *testing.T) {
	s := open(t, false)
	s.change(func(st *workflows.Status) { st.Asks, st.Next = nil, "25 % is watched" })
	send(t, s.slack.Click("U1ANN", s.message("25 % is watched"), "slipway_promote"))
	s.until("a form is open", func() bool { return len(s.slack.Views()) == 1 })
	require.Empty(t, s.decided(), "nothing is decided before it is sent")
	send(t, s.slack.Submit(s.slack.Views()[0], "it must be out today"))
	s.told("U1ANN", "promote of checkout-k3v9qa by ann is accepted")
	d := s.decided()[0]
	require.Equal(t, []string{"@team-checkout"}, d.Groups, "a gate that does not ask yet may want it")
	require.Equal(t, []string{"promote", "it must be out today", "stepping 1"}, []string{d.Command, d.Reason, d.Seen.Where})
}

func TestAPromotionIsRefusedWhereSlackDoesNotSayWhoIsInAGroup(t *testing.T) {
	s := open(t, false)
	s.slack.Fail("usergroups.users.list", fakeslack.Fault{Error: "missing_scope"})
	send(t, s.slack.Click("U1ANN", s.message("approval by 1 of"), "slipway_promote"))
	s.until("a form is open", func() bool { return len(s.slack.Views()) == 1 })
	send(t, s.slack.Submit(s.slack.Views()[0], "it must be out today"))
	s.told("U1ANN", "ask Slack who is in @team-checkout: missing_scope")
	require.Empty(t, s.decided())
}

func TestWhatEndsAReleaseOrSkipsItsPlanAsksForAReason(t *testing.T) {
	for _, command := range []string{"reject", "abort", "promote", "override"} {
		t.Run(command, func(t *testing.T) {
			s := open(t, false)
			s.change(func(st *workflows.Status) { st.Held = &decide.Hold{Kind: decide.Freeze} })
			s.until("the freeze is shown", func() bool {
				_, ok := s.message("approval by 1 of").Buttons()["slipway_override"]
				return ok
			})
			send(t, s.slack.Click("U2BOB", s.message("approval by 1 of"), "slipway_"+command))
			s.until("a form is open", func() bool { return len(s.slack.Views()) == 1 })
			require.Empty(t, s.decided(), "nothing is decided before it is sent")
			form := s.slack.Submit(s.slack.Views()[0], "too slow")
			send(t, form)
			send(t, form)
			s.until("both are answered", func() bool { return len(s.slack.Whispers("U2BOB")) == 2 })
			require.Len(t, s.decided(), 1)
			require.Equal(t, "too slow", s.decided()[0].Reason)
			require.Equal(t, "checkout-k3v9qa", s.decided()[0].Seen.Release)
		})
	}
}

func TestWhatTheReleaseRefusesIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		told string
	}{
		"a late click": {&client.LateError{Text: "release checkout-k3v9qa has ended already: promoted"}, "too late, and nothing has changed: release checkout-k3v9qa has ended"},
		"a refusal":    {errors.New("approve production/checkout: refused: bob has approved already"), "nothing has changed: approve production/checkout: refused: bob"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, false)
			s.answer = tt.err
			send(t, s.slack.Click("U2BOB", s.message("approval by 1 of"), "slipway_approve"))
			s.told("U2BOB", tt.told)
		})
	}
}

func TestSlashCommands(t *testing.T) {
	for name, tt := range map[string]struct{ user, text, now, later, command, reason string }{
		"status":                  {"U3EVE", "status production/checkout", "", "checkout-k3v9qa  production/checkout  STEPPING", "", ""},
		"abort":                   {"U3EVE", "abort production/checkout it is  too slow", "", "abort of checkout-k3v9qa by slack:T0FAKE/U3EVE is accepted", "abort", "it is  too slow"},
		"pause":                   {"U2BOB", "pause production/checkout", "", "pause of checkout-k3v9qa by bob is accepted", "pause", "clicked in Slack"},
		"an abort without reason": {"U2BOB", "abort production/checkout", "an abort needs a reason", "", "", ""},
		"no service":              {"U2BOB", "pause checkout", "is not a service: write it as environment/name", "", "", ""},
		"approve":                 {"U2BOB", "approve production/checkout", "write `/slipway status", "", "", ""},
		"promote":                 {"U2BOB", "promote production/checkout", "write `/slipway status", "", "", ""},
		"nothing":                 {"U2BOB", "", "write `/slipway status", "", "", ""},
		"a guest":                 {"U4GUEST", "abort production/checkout now", "", "is a guest", "", ""},
	} {
		for way, socket := range map[string]bool{"by HTTP": false, "by Socket Mode": true} {
			t.Run(name+", "+way, func(t *testing.T) {
				s := open(t, socket)
				require.Contains(t, send(t, s.slack.Command(tt.user, tt.text)), tt.now)
				if tt.later != "" {
					s.told(tt.user, tt.later)
				}
				if tt.command == "" {
					require.Empty(t, s.decided())
					return
				}
				require.Equal(t, []string{tt.command, tt.reason}, []string{s.decided()[0].Command, s.decided()[0].Reason})
			})
		}
	}
}

func TestASocketThatIsCutIsOpenedAgain(t *testing.T) {
	s := open(t, true)
	m := s.message("approval by 1 of")
	s.slack.Disconnect()
	s.until("it is connected again", func() bool { return s.slack.Calls("apps.connections.open") > 1 && s.slack.Connected() > 0 })
	s.until("a click arrives", func() bool {
		_, err := s.slack.Click("U1ANN", m, "slipway_approve").Send(t.Context())
		return err == nil
	})
	s.told("U1ANN", "is accepted")
}

func TestWhatIsNotSignedReachesNobody(t *testing.T) {
	s := open(t, false)
	d := s.slack.Click("U1ANN", s.message("approval by 1 of"), "slipway_approve")
	post := func(header http.Header, body []byte) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.slack.Interactions+d.Path, bytes.NewReader(body))
		require.NoError(t, err)
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusUnauthorized, post(http.Header{}, d.Body))
	require.Equal(t, http.StatusUnauthorized, post(fakeslack.Sign(fakeslack.SigningSecret, time.Now().Add(-6*time.Minute), d.Body), d.Body))
	require.Equal(t, http.StatusUnauthorized, post(fakeslack.Sign("another secret of them", time.Now(), d.Body), d.Body))
	large := bytes.Repeat([]byte("x"), maxBody+1)
	require.Equal(t, http.StatusRequestEntityTooLarge, post(fakeslack.Sign(fakeslack.SigningSecret, time.Now(), large), large))
	for _, text := range []string{"payload=%", "payload={", "payload=" + strings.Repeat("[", 200_000)} {
		require.Equal(t, http.StatusBadRequest, post(fakeslack.Sign(fakeslack.SigningSecret, time.Now(), []byte(text)), []byte(text)), text[:9])
	}
	require.Equal(t, http.StatusOK, post(fakeslack.Sign(fakeslack.SigningSecret, time.Now(), []byte("payload={}")), []byte("payload={}")), "what is none of ours is let pass")
	require.Empty(t, s.decided())
	s.log.hides(t)
}

func TestATokenThatSlackRefusesEndsTheApp(t *testing.T) {
	s := fakeslack.Start()
	defer s.Close()
	for name, c := range map[string]Config{
		"check SLIPWAY_SLACK_BOT_TOKEN": {BotToken: "xoxb-wrong", SigningSecret: fakeslack.SigningSecret},
		"check SLIPWAY_SLACK_APP_TOKEN": {BotToken: fakeslack.BotToken, AppToken: "xapp-wrong"},
	} {
		c.API, c.Every = s.API(), 20*time.Millisecond
		log := &safeBuffer{}
		a := newApp(Options{Config: c, Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now})
		a.releases = &stage{t: t, status: asking()}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := a.Run(ctx)
		cancel()
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error()+log.String(), "wrong")
	}
}

// safeBuffer is a log that many write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *safeBuffer) hides(t *testing.T) {
	t.Helper()
	for _, secret := range []string{fakeslack.BotToken, fakeslack.AppToken, fakeslack.SigningSecret} {
		require.NotContains(t, b.String(), secret)
	}
}
