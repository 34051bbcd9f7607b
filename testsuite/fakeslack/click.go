// SPDX-License-Identifier: Apache-2.0

package fakeslack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// patience is how long Slack waits for an acknowledgement, and how long a trigger is good for.
const patience = 3 * time.Second

// maxUses of a response URL.
const maxUses = 5

// View is a form that was opened for somebody.
type View struct {
	ID       string
	User     string
	Callback string
	// Private is what the app has kept with it.
	Private string
	// Field is the block and the action of its one input.
	Field string
}

// Delivery is something that Slack sends. It may be sent again.
type Delivery struct {
	slack *Slack
	// Path and Body of the HTTP request.
	Path string
	Body []byte
	// kind and payload of the envelope in Socket Mode.
	kind    string
	payload any
}

// Buttons are those of a message, by action.
func (m Message) Buttons() map[string]string {
	out := map[string]string{}
	blocks, _ := m.Blocks.([]map[string]any)
	for _, b := range blocks {
		elements, _ := b["elements"].([]any)
		for _, e := range elements {
			button, _ := e.(map[string]any)
			action, _ := button["action_id"].(string)
			value, _ := button["value"].(string)
			if action != "" {
				out[action] = value
			}
		}
	}
	return out
}

// Shown is every text of a message.
func (m Message) Shown() string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(m.Blocks) // it came as JSON
	return strings.ReplaceAll(b.String(), `\n`, "\n")
}

// Click is what Slack sends when a user clicks a button of a message as they see it now.
func (s *Slack) Click(user string, m Message, action string) Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	trigger := "trigger." + s.tick()
	s.triggers[trigger] = time.Now()
	return s.interaction(map[string]any{
		"type": "block_actions", "team": map[string]string{"id": Team}, "user": map[string]string{"id": user, "team_id": Team},
		"channel": map[string]string{"id": m.Channel}, "trigger_id": trigger + "/" + user, "container": map[string]string{"type": "message", "message_ts": m.TS},
		"message": map[string]string{"ts": m.TS}, "actions": []map[string]any{{
			"type": "button", "block_id": "slipway", "action_id": action, "value": m.Buttons()[action], "action_ts": s.tick(),
		}},
	})
}

// Submit is what Slack sends when a user fills a form in.
func (s *Slack) Submit(v View, text string) Delivery {
	return s.interaction(map[string]any{
		"type": "view_submission", "team": map[string]string{"id": Team}, "user": map[string]string{"id": v.User, "team_id": Team},
		"view": map[string]any{
			"id": v.ID, "type": "modal", "callback_id": v.Callback, "private_metadata": v.Private,
			"state": map[string]any{"values": map[string]any{v.Field: map[string]any{v.Field: map[string]string{"type": "plain_text_input", "value": text}}}},
		},
	})
}

func (s *Slack) interaction(payload map[string]any) Delivery {
	text, _ := json.Marshal(payload) // maps of strings
	return Delivery{s, "/slack/interactions", []byte(url.Values{"payload": {string(text)}}.Encode()), "interactive", payload}
}

// Command is what Slack sends when a user types "/slipway text".
func (s *Slack) Command(user, text string) Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	form := map[string]string{
		"team_id": Team, "channel_id": Channel, "user_id": user, "command": "/slipway", "text": text,
		"response_url": s.server.URL + "/response/" + user + "." + s.tick(), "trigger_id": "trigger." + s.tick(), "is_enterprise_install": "false",
	}
	values := url.Values{}
	for name, value := range form {
		values.Set(name, value)
	}
	return Delivery{s, "/slack/commands", []byte(values.Encode()), "slash_commands", form}
}

// Sign makes the headers that Slack sends with a body at a time.
func Sign(secret string, at time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	h := http.Header{}
	h.Set("X-Slack-Request-Timestamp", stamp)
	h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	return h
}

// Send delivers, and returns what the app has answered at once. No answer within 3 seconds, or one that is no 200, is
// an error: the user would see it.
func (d Delivery) Send(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if d.slack.Interactions == "" {
		return d.overSocket(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.slack.Interactions+d.Path, bytes.NewReader(d.Body))
	if err != nil {
		return "", err
	}
	req.Header = Sign(SigningSecret, time.Now(), d.Body)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("operation_timeout: %w", err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return string(text), fmt.Errorf("the app answered %s: %s", resp.Status, text)
	}
	return string(text), nil
}

// open is views.open.
func (s *Slack) open(args arguments) answer {
	trigger, user, _ := strings.Cut(args["trigger_id"], "/")
	var view struct {
		Callback string `json:"callback_id"`
		Private  string `json:"private_metadata"`
		Title    struct{ Text string }
		Blocks   []struct {
			Type    string
			ID      string `json:"block_id"`
			Element struct {
				ID string `json:"action_id"`
			}
		}
	}
	if json.Unmarshal([]byte(args["view"]), &view) != nil || len([]rune(view.Title.Text)) > 24 || len(view.Private) > 3000 {
		return problem("invalid_arguments")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.triggers[trigger]
	delete(s.triggers, trigger)
	switch {
	case !ok:
		return problem("exchanged_trigger_id")
	case time.Since(at) > patience:
		return problem("expired_trigger_id")
	}
	v := View{ID: "V" + s.tick(), User: user, Callback: view.Callback, Private: view.Private}
	for _, b := range view.Blocks {
		if b.Type == "input" && b.ID == b.Element.ID {
			v.Field = b.ID
		}
	}
	s.views = append(s.views, v)
	return answer{"view": map[string]string{"id": v.ID}}
}

// respond takes what an app sends to a response URL.
func (s *Slack) respond(w http.ResponseWriter, r *http.Request) {
	args, _ := read(r)
	user, _, _ := strings.Cut(r.PathValue("id"), ".")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uses[r.PathValue("id")]++; s.uses[r.PathValue("id")] > maxUses {
		http.Error(w, "used_url", http.StatusNotFound)
		return
	}
	s.messages = append(s.messages, &Message{Channel: Channel, TS: s.tick(), User: user, Text: args["text"]})
	_, _ = io.WriteString(w, "ok")
}
