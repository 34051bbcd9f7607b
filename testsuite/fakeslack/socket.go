// SPDX-License-Identifier: Apache-2.0

package fakeslack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// socket is one connection of Socket Mode.
type socket struct {
	mu   sync.Mutex // one writes at a time
	conn *websocket.Conn
}

func (c *socket) send(v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn.WriteJSON(v)
}

// connect accepts a connection and reads acknowledgements until it ends.
func (s *Slack) connect(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &socket{conn: conn}
	s.mu.Lock()
	s.sockets[c] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.sockets, c)
		s.mu.Unlock()
		_ = conn.Close()
	}()
	if c.send(map[string]any{"type": "hello", "num_connections": 1}) != nil {
		return
	}
	for {
		var ack struct {
			Envelope string          `json:"envelope_id"`
			Payload  json.RawMessage `json:"payload"`
		}
		if conn.ReadJSON(&ack) != nil {
			return
		}
		s.mu.Lock()
		if wait, ok := s.acks[ack.Envelope]; ok {
			delete(s.acks, ack.Envelope)
			wait <- ack.Payload
		}
		s.mu.Unlock()
	}
}

// Connected reports how many connections of Socket Mode are open.
func (s *Slack) Connected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}

// Disconnect cuts every connection, as Slack does now and then.
func (s *Slack) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sockets {
		_ = c.conn.Close()
	}
}

// overSocket sends an envelope over one of the connections and waits for its acknowledgement.
func (d Delivery) overSocket(ctx context.Context) (string, error) {
	s := d.slack
	s.mu.Lock()
	var c *socket
	for c = range s.sockets {
		break
	}
	id := "envelope." + s.tick()
	wait := make(chan []byte, 1)
	s.acks[id] = wait
	s.mu.Unlock()
	if c == nil {
		return "", errors.New("the app is not connected")
	}
	if err := c.send(map[string]any{"type": d.kind, "envelope_id": id, "payload": d.payload, "accepts_response_payload": true}); err != nil {
		return "", fmt.Errorf("send envelope: %w", err)
	}
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("operation_timeout: %w", ctx.Err())
	case payload := <-wait:
		return string(payload), nil
	}
}
