// SPDX-License-Identifier: Apache-2.0

package sender

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Delivery is one request as it came in.
type Delivery struct {
	Header http.Header
	Query  url.Values
	// Body as it was sent, byte for byte.
	Body []byte
	// At is when it came in.
	At time.Time
}

// Sender is one system that sends events.
type Sender interface {
	// Verify returns nil for a delivery that its sender has made. An error is an *Answer.
	Verify(d Delivery) error
	// Read says what happened. It is only called after Verify, or for what was fetched from the sender
	// itself. An error is an *Answer.
	Read(d Delivery) ([]Event, error)
}

// Event is what happened, in the words of a plan's triggers. What a sender does not say is empty.
type Event struct {
	// Sender and Event as a plan writes them.
	Sender, Event string
	// Key is the same for every delivery of one event, and for no other event of the sender.
	Key string
	// Repository and the numbers of it and of its owner.
	Repository, RepositoryID, OwnerID string
	Branch, Tag, Environment          string
	// Workflows are the names of what has succeeded; any of them fits.
	Workflows []string
	// Commit is the whole hexadecimal hash.
	Commit string
	// Image that the event names, by tag or digest.
	Image string
	// By is who did it, with the sender before it: "github:octocat".
	By string
	// At is when it happened, by the sender's clock, or when it came in.
	At time.Time
	// Began is when what happened began, where that is known: of two runs, the one that began later is newer,
	// though it may have ended first.
	Began time.Time
	// URL of what happened, for people.
	URL string
	// Run is the number of a workflow run of GitHub of which a job waits to enter the Environment.
	Run int64
	// Review is what a person has decided about that job; nil: the event asks for a release.
	Review *Review
}

// Review is the decision of a person.
type Review struct {
	// Approved, or else rejected, with the comment.
	Approved bool
	Comment  string
	// Environments that it is about.
	Environments []string
}

// Order is the time that tells newer from older.
func (e Event) Order() time.Time {
	if e.Began.IsZero() {
		return e.At
	}
	return e.Began
}

// What is kept of an event's texts, in characters; Temporal bounds them too.
const (
	maxKey = 256
	maxBy  = 100
	maxURL = 1000
)

// Bounded is the event with texts of which nobody can make too much: a long key is hashed, a long name is cut,
// and a link that is none is left out.
func (e Event) Bounded() Event {
	if len(e.Key) > maxKey {
		e.Key = hash([]byte(e.Key))
	}
	if by := []rune(e.By); len(by) > maxBy {
		e.By = string(by[:maxBy])
	}
	u, err := url.Parse(e.URL)
	if err != nil || len(e.URL) > maxURL || u.Scheme != "https" && u.Scheme != "http" {
		e.URL = ""
	}
	return e
}

// Answer is why a delivery starts nothing, and the HTTP status that says so.
type Answer struct {
	Status int
	Text   string
}

// Error is the text alone.
func (a *Answer) Error() string { return a.Text }

// refused is the answer to a delivery that nobody has proved to have sent.
func refused(format string, args ...any) error {
	return &Answer{http.StatusUnauthorized, fmt.Sprintf(format, args...)}
}

// unreadable is the answer to a body that is not what the sender documents.
func unreadable(format string, args ...any) error {
	return &Answer{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// unknown is the answer to an event that never starts a release.
func unknown(format string, args ...any) error {
	return &Answer{http.StatusUnprocessableEntity, fmt.Sprintf(format, args...)}
}

// nothing is the answer to an event that is in order and no reason for a release.
func nothing(format string, args ...any) error {
	return &Answer{http.StatusOK, "nothing to do: " + fmt.Sprintf(format, args...)}
}

// maxParts is how many images one event may name.
const maxParts = 20

// maxDepth of a body. No sender nests deeper.
const maxDepth = 64

// decode reads JSON that is not nested too deeply. Unknown fields are the sender's own business.
func decode(body []byte, to any) error {
	if depth(body) > maxDepth {
		return unreadable("the body is nested more than %d deep", maxDepth)
	}
	if err := json.Unmarshal(body, to); err != nil {
		return unreadable("read body: %v", err)
	}
	return nil
}

// depth is how deep a text of JSON is nested. It needs no memory, whatever the text.
func depth(text []byte) int {
	deepest, now, quoted, escaped := 0, 0, false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case quoted:
			quoted, escaped = c != '"', c == '\\'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}
