// SPDX-License-Identifier: Apache-2.0

package fakeslack

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"time"
)

// What the app is configured with.
const (
	BotToken      = "xoxb-fake-bot-token" //nolint:gosec // it opens nothing
	AppToken      = "xapp-fake-app-token" //nolint:gosec // it opens nothing
	SigningSecret = "fake8f742231b10e8888abcd99yyyzzz"
	Team          = "T0FAKE"
	Channel       = "C0RELEASES"
)

// Message is one that was posted.
type Message struct {
	Channel string `json:"channel"`
	TS      string `json:"ts"`
	Thread  string `json:"thread_ts,omitempty"`
	// User who alone can see it; empty: everybody.
	User     string   `json:"user,omitempty"`
	Text     string   `json:"text"`
	Blocks   any      `json:"blocks,omitempty"`
	Metadata Metadata `json:"metadata,omitzero"`
	// Updates counts how often it was changed.
	Updates int `json:"-"`
}

// Metadata of a message.
type Metadata struct {
	EventType    string         `json:"event_type"`
	EventPayload map[string]any `json:"event_payload"`
}

// User of the workspace.
type User struct {
	ID         string `json:"id"`
	Team       string `json:"team_id"`
	Name       string `json:"name"`
	Deleted    bool   `json:"deleted,omitempty"`
	Bot        bool   `json:"is_bot,omitempty"`
	Restricted bool   `json:"is_restricted,omitempty"`
	Stranger   bool   `json:"is_stranger,omitempty"`
}

// Slack is one workspace.
type Slack struct {
	server *httptest.Server
	// Interactions is where clicks and commands are sent by HTTP, without the path; empty: by Socket Mode.
	Interactions string

	mu       sync.Mutex
	clock    int
	messages []*Message
	users    map[string]User
	groups   map[string][]string
	triggers map[string]time.Time
	views    []View
	uses     map[string]int
	faults   map[string][]Fault
	calls    map[string]int
	sockets  map[*socket]bool
	acks     map[string]chan []byte
	serial   int
}

// Fault is what goes wrong with one call of a method.
type Fault struct {
	// Limited answers 429 with this Retry-After, at least a second.
	Limited time.Duration
	// Down answers 503.
	Down bool
	// Lost does what was asked, and then hangs up.
	Lost bool
	// Slow waits before it does what was asked.
	Slow time.Duration
	// Error of Slack, such as "channel_not_found".
	Error string
}

// Start opens a workspace with nobody in it.
func Start() *Slack {
	s := &Slack{
		users: map[string]User{}, groups: map[string][]string{}, triggers: map[string]time.Time{}, uses: map[string]int{},
		faults: map[string][]Fault{}, calls: map[string]int{}, sockets: map[*socket]bool{}, acks: map[string]chan []byte{},
		clock: int(time.Now().Unix()),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/{method}", s.serve)
	mux.HandleFunc("GET /api/{method}", s.serve)
	mux.HandleFunc("POST /response/{id}", s.respond)
	mux.HandleFunc("GET /socket", s.connect)
	s.server = httptest.NewServer(mux)
	return s
}

// Close ends it.
func (s *Slack) Close() {
	s.Disconnect()
	s.server.CloseClientConnections()
	s.server.Close()
}

// API is the address of the Web API.
func (s *Slack) API() string { return s.server.URL + "/api/" }

// AddUser lets somebody join.
func (s *Slack) AddUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.Team = Team
	s.users[u.ID] = u
}

// SetGroup says who is in a user group.
func (s *Slack) SetGroup(id string, users ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[id] = users
}

// Fail makes the next calls of a method go wrong, one after the other.
func (s *Slack) Fail(method string, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[method] = append(s.faults[method], faults...)
}

// Heal ends what Fail has begun.
func (s *Slack) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

// Calls counts the calls of a method.
func (s *Slack) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// Messages that everybody can see, oldest first, without replies.
func (s *Slack) Messages() []Message {
	return s.those(func(m *Message) bool { return m.Thread == "" && m.User == "" })
}

// Replies in the thread of a message.
func (s *Slack) Replies(ts string) []Message {
	return s.those(func(m *Message) bool { return m.Thread == ts })
}

// Whispers are what only one user can see, oldest first.
func (s *Slack) Whispers(user string) []Message {
	return s.those(func(m *Message) bool { return m.User == user })
}

func (s *Slack) those(wanted func(*Message) bool) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for _, m := range s.messages {
		if wanted(m) {
			out = append(out, *m)
		}
	}
	return out
}

// Delete takes a message away, as somebody does who tidies up.
func (s *Slack) Delete(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m *Message) bool { return m.TS == ts })
}

// Views are the forms that were opened, oldest first.
func (s *Slack) Views() []View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.views)
}

// Methods that were called.
func (s *Slack) Methods() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.calls))
}

// tick is the next timestamp of a message. The caller holds the lock.
func (s *Slack) tick() string {
	s.clock = max(s.clock, int(time.Now().Unix()))
	s.serial++
	return strconv.Itoa(s.clock) + fmt.Sprintf(".%06d", s.serial)
}
