// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// MessagesQuery returns a MessengerStatus.
const MessagesQuery = "messages"

// Undelivered is the type of the failure of a messenger that could not reach everybody.
const Undelivered = "undelivered"

// MessengerID is the workflow ID of the messenger of a release. No release has it: theirs have one slash.
func MessengerID(environment, service, release string) string {
	return "messenger/" + ReleaseID(environment, service) + "/" + release
}

// MessengerIn starts a messenger, or goes on with what one knew.
type MessengerIn struct {
	// Release is the workflow ID that it follows, Run which run of it.
	Release string `json:"release"`
	Run     string `json:"run"`
	// State of a messenger that continues as new.
	State *MessengerState `json:"state,omitempty"`
}

// MessengerState is everything that a messenger knows.
type MessengerState struct {
	Status MessengerStatus `json:"status"`
	// Seen counts the notices that it has taken, Over is true when no more will come.
	Seen int  `json:"seen"`
	Over bool `json:"over"`
	// Waiting are the messages that were not delivered yet, in the order of their notices.
	Waiting []letter `json:"waiting,omitempty"`
}

// MessengerStatus is what became of every message.
type MessengerStatus struct {
	Release  string     `json:"release"`
	Messages []Delivery `json:"messages"`
}

// Dead are the messages that nobody will get.
func (s MessengerStatus) Dead() []Delivery {
	return slices.DeleteFunc(slices.Clone(s.Messages), func(d Delivery) bool { return d.State != Dead })
}

// DeliveryState is where a message stands.
type DeliveryState string

// The states of a message.
const (
	OnItsWay  DeliveryState = "on its way"
	Delivered DeliveryState = "delivered"
	Dead      DeliveryState = "dead"
)

// Delivery is one message for one receiver.
type Delivery struct {
	Key      string        `json:"key"`
	Receiver string        `json:"receiver"`
	State    DeliveryState `json:"state"`
	// At is when it was told first, then when it was delivered or given up.
	At time.Time `json:"at"`
	// Reason why it is dead.
	Reason string `json:"reason,omitempty"`
}

// letter is a message that has to be delivered. Number is its place in the status.
type letter struct {
	Number  int               `json:"number"`
	Notice  activities.Notice `json:"notice"`
	To      plan.Addressee    `json:"to"`
	Closing bool              `json:"closing,omitempty"`
}

// messenger carries what one release tells.
type messenger struct {
	*MessengerState
	in MessengerIn
	// busy are the receivers that are being told something.
	busy map[string]bool
}

// Messenger follows one release and carries what it tells to those whom its plan names. The release knows
// nothing of it and never waits for it. Each receiver gets its messages one after the other, whatever the
// others do; a message that could not be delivered by its deadline is dead, and the next one is tried.
//
// It ends when the release has ended and every message is delivered or dead: in the second case it fails with
// an ApplicationError of type "undelivered" that carries its status.
func Messenger(ctx workflow.Context, in MessengerIn) (MessengerStatus, error) {
	m := &messenger{MessengerState: in.State, in: in, busy: map[string]bool{}}
	if m.MessengerState == nil {
		m.MessengerState = &MessengerState{Status: MessengerStatus{Release: in.Release}}
	}
	if err := workflow.SetQueryHandler(ctx, MessagesQuery, func() (MessengerStatus, error) { return m.Status, nil }); err != nil {
		return m.Status, fmt.Errorf("set messages query: %w", err)
	}
	return m.run(ctx)
}

// run is the life of a messenger.
func (m *messenger) run(ctx workflow.Context) (MessengerStatus, error) {
	m.carry(ctx)
	for !m.Over {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			// What is on its way is told again, under the same key.
			return m.Status, workflow.NewContinueAsNewError(ctx, Messenger, MessengerIn{Release: m.in.Release, Run: m.in.Run, State: m.MessengerState})
		}
		if err := m.listen(ctx); err != nil {
			return m.Status, err
		}
		m.carry(ctx)
		workflow.SetCurrentDetails(ctx, m.details())
	}
	if err := workflow.Await(ctx, func() bool { return len(m.Waiting) == 0 }); err != nil {
		return m.Status, err
	}
	workflow.SetCurrentDetails(ctx, m.details())
	if dead := m.Status.Dead(); len(dead) > 0 {
		return m.Status, temporal.NewApplicationErrorWithOptions(
			fmt.Sprintf("%d of %d messages were not delivered; the first: %s to %s: %s", len(dead), len(m.Status.Messages), dead[0].Key, dead[0].Receiver, dead[0].Reason),
			Undelivered, temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{m.Status}})
	}
	return m.Status, nil
}

// listen waits until the release has told something more, or has ended.
func (m *messenger) listen(ctx workflow.Context) error {
	heard, err := call(ctx, following(), "Listen to "+m.in.Release, messages.FollowNotices,
		activities.FollowNoticesIn{Release: m.in.Release, Run: m.in.Run, Seen: m.Seen})
	if fault.Of(err) == fault.NotFound {
		m.Over = true // it tells nothing, or Temporal no longer knows it
		return nil
	}
	if err != nil {
		return err
	}
	m.Seen += len(heard.New)
	m.Over = heard.Ended
	for _, t := range heard.New {
		m.take(t)
	}
	return nil
}

// take writes a letter to each receiver of a notice.
func (m *messenger) take(t activities.Told) {
	for _, a := range t.To {
		m.write(letter{Notice: t.Notice, To: a})
	}
	for _, a := range t.Closes {
		m.write(letter{Notice: t.Notice, To: a, Closing: true})
	}
}

func (m *messenger) write(l letter) {
	l.Number = len(m.Status.Messages)
	m.Status.Messages = append(m.Status.Messages, Delivery{Key: l.Notice.Key, Receiver: l.To.Name, State: OnItsWay, At: l.Notice.At})
	m.Waiting = append(m.Waiting, l)
}

// carry sends somebody to every receiver that has letters and to whom nobody is on the way.
func (m *messenger) carry(ctx workflow.Context) {
	for _, l := range m.Waiting {
		if name := l.To.Name; !m.busy[name] {
			m.busy[name] = true
			workflow.Go(ctx, func(ctx workflow.Context) { m.serve(ctx, name) })
		}
	}
}

// serve delivers the letters of one receiver, oldest first.
func (m *messenger) serve(ctx workflow.Context, receiver string) {
	for {
		i := slices.IndexFunc(m.Waiting, func(l letter) bool { return l.To.Name == receiver })
		if i < 0 {
			m.busy[receiver] = false
			return
		}
		l := m.Waiting[i]
		err := m.deliver(ctx, l)
		d := &m.Status.Messages[l.Number]
		d.State, d.At = Delivered, workflow.Now(ctx)
		if err != nil {
			d.State, d.Reason = Dead, cut(plain(err))
		}
		m.Waiting = slices.DeleteFunc(m.Waiting, func(o letter) bool { return o.Number == l.Number })
		workflow.SetCurrentDetails(ctx, m.details())
	}
}

// lateChance is how long a letter is tried whose time was over before its turn came.
const lateChance = time.Minute

func (m *messenger) deliver(ctx workflow.Context, l letter) error {
	left := l.Notice.At.Add(l.To.Within.D()).Sub(workflow.Now(ctx))
	return do(ctx, delivering(max(left, lateChance)), fmt.Sprintf("Tell %s: %s", l.To.Name, l.Notice.Event), messages.DeliverNotice,
		activities.DeliverNoticeIn{Receiver: l.To.Name, Notice: l.Notice, Closing: l.Closing, Release: m.in.Release, Run: m.in.Run})
}

// details is the status as Temporal's UI shows it, in Markdown.
func (m *messenger) details() string {
	count := map[DeliveryState]int{}
	var dead []string
	for _, d := range m.Status.Messages {
		count[d.State]++
		if d.State == Dead {
			dead = append(dead, fmt.Sprintf("- dead: `%s` to %s: %s\n", d.Key, d.Receiver, d.Reason))
		}
	}
	return fmt.Sprintf("**%d delivered**, %d on their way, %d dead\n\n%s", count[Delivered], count[OnItsWay], count[Dead], strings.Join(dead, ""))
}
