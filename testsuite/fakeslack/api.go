// SPDX-License-Identifier: Apache-2.0

package fakeslack

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// arguments of a call, however they were sent; what is no text is JSON.
type arguments map[string]string

// serve answers one call of the Web API.
func (s *Slack) serve(w http.ResponseWriter, r *http.Request) {
	method := r.PathValue("method")
	args, token := read(r)
	s.mu.Lock()
	s.calls[method]++
	var f Fault
	if queue := s.faults[method]; len(queue) > 0 {
		f, s.faults[method] = queue[0], queue[1:]
	}
	s.mu.Unlock()
	if f.Slow > 0 {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(f.Slow):
		}
	}
	switch {
	case f.Limited > 0:
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(f.Limited.Seconds()))))
		http.Error(w, "", http.StatusTooManyRequests)
		return
	case f.Down:
		http.Error(w, "", http.StatusServiceUnavailable)
		return
	case f.Error != "":
		reply(w, problem(f.Error))
		return
	}
	out := s.call(method, token, args)
	if f.Lost {
		panic(http.ErrAbortHandler)
	}
	reply(w, out)
}

func read(r *http.Request) (arguments, string) {
	args := arguments{}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var body map[string]json.RawMessage
		text, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(text, &body)
		for name, raw := range body {
			var plain string
			if json.Unmarshal(raw, &plain) != nil {
				plain = string(raw)
			}
			args[name] = plain
		}
		return args, token
	}
	_ = r.ParseForm()
	for name := range r.Form {
		args[name] = r.Form.Get(name)
	}
	if token == "" {
		token = args["token"]
	}
	return args, token
}

type answer map[string]any

func problem(name string) answer { return answer{"ok": false, "error": name} }

func reply(w http.ResponseWriter, out answer) {
	if _, said := out["ok"]; !said {
		out["ok"] = true
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(out)
}

func (s *Slack) call(method, token string, args arguments) answer {
	want := BotToken
	if method == "apps.connections.open" {
		want = AppToken
	}
	if token != want {
		return problem("invalid_auth")
	}
	switch method {
	case "auth.test":
		return answer{"team_id": Team, "user_id": "U0SLIPWAY", "bot_id": "B0SLIPWAY", "team": "fake", "user": "slipway"}
	case "apps.connections.open":
		return answer{"url": strings.Replace(s.server.URL, "http", "ws", 1) + "/socket"}
	case "chat.postMessage":
		return s.post(args, "")
	case "chat.postEphemeral":
		return s.post(args, args["user"])
	case "chat.update":
		return s.update(args)
	case "conversations.history":
		return s.list(args, func(m *Message) bool { return m.Thread == "" && m.User == "" && m.TS >= args["oldest"] })
	case "conversations.replies":
		return s.list(args, func(m *Message) bool { return m.Thread == args["ts"] || m.TS == args["ts"] })
	case "views.open":
		return s.open(args)
	case "users.info":
		return s.user(args["user"])
	case "usergroups.users.list":
		return s.group(args["usergroup"])
	}
	return problem("unknown_method")
}

func (s *Slack) user(id string) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[id]
	if !ok {
		return problem("user_not_found")
	}
	return answer{"user": u}
}

func (s *Slack) group(id string) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	users, ok := s.groups[id]
	if !ok {
		return problem("no_such_subteam")
	}
	return answer{"users": users}
}

func (s *Slack) post(args arguments, user string) answer {
	if args["channel"] != Channel {
		return problem("channel_not_found")
	}
	m := &Message{Channel: Channel, Thread: args["thread_ts"], User: user, Text: args["text"]}
	if bad := m.fill(args); bad != "" {
		return problem(bad)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.TS = s.tick()
	s.messages = append(s.messages, m)
	return answer{"channel": m.Channel, "ts": m.TS, "message_ts": m.TS}
}

func (s *Slack) update(args arguments) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.messages, func(m *Message) bool { return m.TS == args["ts"] && m.Channel == args["channel"] && m.User == "" })
	if i < 0 {
		return problem("message_not_found")
	}
	m := s.messages[i]
	if bad := m.fill(args); bad != "" {
		return problem(bad)
	}
	m.Text = args["text"]
	m.Updates++
	return answer{"channel": m.Channel, "ts": m.TS, "text": m.Text}
}

// pageSize keeps pages short, so that whoever reads must turn them.
const pageSize = 3

func (s *Slack) list(args arguments, wanted func(*Message) bool) answer {
	all := s.those(wanted)
	if args["channel"] != Channel {
		return problem("channel_not_found")
	}
	if args["include_all_metadata"] != "1" && args["include_all_metadata"] != "true" {
		for i := range all {
			all[i].Metadata = Metadata{}
		}
	}
	slices.Reverse(all) // newest first
	from, _ := strconv.Atoi(args["cursor"])
	to := min(len(all), from+pageSize)
	next := ""
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return answer{"messages": all[min(from, to):to], "has_more": next != "", "response_metadata": map[string]string{"next_cursor": next}}
}

// fill reads blocks and metadata, and names what Slack would refuse.
func (m *Message) fill(args arguments) string {
	if text := args["blocks"]; text != "" {
		var blocks []map[string]any
		if json.Unmarshal([]byte(text), &blocks) != nil || len(blocks) > 50 || !fits(blocks) {
			return "invalid_blocks"
		}
		m.Blocks = blocks
	}
	if len([]rune(args["text"])) > 40_000 {
		return "msg_too_long"
	}
	if text := args["metadata"]; text != "" {
		if json.Unmarshal([]byte(text), &m.Metadata) != nil || m.Metadata.EventType == "" {
			return "metadata_must_be_sent_from_app"
		}
	}
	return ""
}

// fits checks the lengths that Slack documents for blocks.
func fits(value any) bool {
	switch v := value.(type) {
	case []map[string]any:
		return !slices.ContainsFunc(v, func(b map[string]any) bool { return !fits(b) })
	case []any:
		return !slices.ContainsFunc(v, func(b any) bool { return !fits(b) })
	case map[string]any:
		text, _ := v["text"].(map[string]any)
		most := map[any]int{"section": 3000, "button": 75}[v["type"]]
		if said, _ := text["text"].(string); most > 0 && (said == "" || len([]rune(said)) > most) {
			return false
		}
		if button, _ := v["value"].(string); len(button) > 2000 {
			return false
		}
		if all, _ := v["elements"].([]any); len(all) > 25 {
			return false
		}
		for _, inner := range v {
			if !fits(inner) {
				return false
			}
		}
	}
	return true
}
