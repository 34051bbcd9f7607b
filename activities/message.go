// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// NoticesQuery is how a release is asked for what it tells, from a number on; it answers with Notices.
const NoticesQuery = "notices"

// Told is a notice and who is to hear it.
type Told struct {
	Notice
	To []plan.Addressee `json:"to"`
	// Closes are receivers that did not ask for it: see [Message].
	Closes []plan.Addressee `json:"closes,omitempty"`
}

// Notices are what a release has told since a number that the asker has said.
type Notices struct {
	New []Told `json:"new,omitempty"`
	// Ended is true when nothing more will follow.
	Ended bool `json:"ended,omitempty"`
	// IfBroken is what is to be told of a release that is ended by force: it can no longer tell it itself, nor
	// say when.
	IfBroken []Told `json:"ifBroken,omitempty"`
}

// FollowNoticesIn asks for what one run of a release tells after the first Seen notices.
type FollowNoticesIn struct {
	Release string `json:"release"`
	Run     string `json:"run"`
	Seen    int    `json:"seen"`
}

// DeliverNoticeIn is one message for one receiver.
type DeliverNoticeIn struct {
	Receiver string `json:"receiver"`
	Notice   Notice `json:"notice"`
	Closing  bool   `json:"closing,omitempty"`
	// Release and Run are the workflow that tells it, for the link.
	Release string `json:"release"`
	Run     string `json:"run"`
}

// Listener hears what releases tell.
type Listener interface {
	// Hear returns as soon as a run has told more than Seen, or has ended. A run that is not known, or that
	// tells nothing, is a NotFound.
	Hear(context.Context, FollowNoticesIn) (Notices, error)
}

// Notifier reaches one receiver. It is safe to call again with the same message: where the service can tell,
// nobody sees it twice. An error that another attempt cannot heal has a kind that says so, and no error
// names a secret, nor an address that is one.
type Notifier interface {
	Notify(context.Context, Message) error
}

// Receivers are the notifiers that the worker was configured with. One that is not there is a NotFound.
type Receivers interface {
	Find(name string) (Notifier, error)
}

// Messages carry what releases tell to those who are to hear it.
type Messages struct {
	Listener  Listener
	Receivers Receivers
	// Link to one run of a workflow, for people; nil: there is none.
	Link  func(workflow, run string) string
	Clock Clock
}

// FollowNotices heartbeats until a release has something to tell.
func (a *Messages) FollowNotices(ctx context.Context, in FollowNoticesIn) (Notices, error) {
	type answer struct {
		out Notices
		err error
	}
	done := make(chan answer, 1)
	go func() {
		out, err := a.Listener.Hear(ctx, in)
		done <- answer{out, err}
	}()
	for {
		select {
		case got := <-done:
			return got.out, fault.From(got.err)
		case <-a.Clock.After(time.Second):
			activity.RecordHeartbeat(ctx)
		}
	}
}

// DeliverNotice tries once; Temporal tries again.
func (a *Messages) DeliverNotice(ctx context.Context, in DeliverNoticeIn) error {
	to, err := a.Receivers.Find(in.Receiver)
	if err != nil {
		return fault.From(err)
	}
	m := Message{Notice: in.Notice, Closing: in.Closing}
	if a.Link != nil {
		m.Link = a.Link(in.Release, in.Run)
	}
	return fault.From(to.Notify(ctx, m))
}
