// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// maxStreams are followed at once.
	maxStreams = 100
	// beat keeps a stream open through proxies.
	beat = 15 * time.Second
)

// follow sends how a release is whenever that changes, and ends with it. A look that fails is tried again: a
// release outlives its watchers.
func (a *API) follow(w http.ResponseWriter, c *Call) (any, error) {
	select {
	case a.streams <- struct{}{}:
		defer func() { <-a.streams }()
	default:
		return nil, fail(http.StatusServiceUnavailable, "%d streams are open already; try again", maxStreams)
	}
	now, err := a.find(c.Context(), c.Lane(), c.Release())
	if err != nil {
		return nil, err
	}
	out := http.NewResponseController(w)
	if err := out.SetWriteDeadline(time.Time{}); err != nil { // a stream takes as long as its release
		return nil, fmt.Errorf("open stream: %w", err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	s := &stream{w: w, out: out}
	look, alive := time.NewTicker(a.Look), time.NewTicker(beat)
	defer look.Stop()
	defer alive.Stop()
	for {
		if ended := s.send(now); ended {
			return nil, nil
		}
		select {
		case <-c.Context().Done():
			return nil, nil
		case <-a.Stop:
			return nil, nil
		case <-alive.C:
			s.write(": alive\n\n")
			continue
		case <-look.C:
		}
		if next, err := a.find(c.Context(), c.Lane(), c.Release()); err == nil {
			now = next
		}
	}
}

// stream is what a follower has been sent.
type stream struct {
	w    http.ResponseWriter
	out  *http.ResponseController
	last string
	gone bool
}

// send writes a release that has changed, and reports whether nothing more will come.
func (s *stream) send(r Release) bool {
	text, err := json.Marshal(r)
	if err != nil {
		return true
	}
	if string(text) != s.last {
		s.last = string(text)
		s.write(fmt.Sprintf("event: release\ndata: %s\n\n", text))
	}
	return s.gone || r.Status != nil && r.Status.Phase.Ended()
}

func (s *stream) write(text string) {
	_, err := fmt.Fprint(s.w, text)
	if flushed := s.out.Flush(); err != nil || flushed != nil {
		s.gone = true
	}
}
