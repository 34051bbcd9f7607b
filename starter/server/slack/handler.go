// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/slipwayhq/slipway/starter/server/slack/payload"
)

// maxBody is the largest request that is read, in bytes. Slack's are below 100 KiB.
const maxBody = 1 << 20

// Handler serves /slack/interactions and /slack/commands. Everything is verified before it is read, and acknowledged
// before it is worked on.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /slack/interactions", func(w http.ResponseWriter, r *http.Request) {
		if body, ok := a.believed(w, r); ok {
			a.interaction(w, body)
		}
	})
	mux.HandleFunc("POST /slack/commands", func(w http.ResponseWriter, r *http.Request) {
		if body, ok := a.believed(w, r); ok {
			a.command(w, body)
		}
	})
	return mux
}

// believed returns the body of a request that Slack has signed, and answers any other.
func (a *App) believed(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
		return nil, false
	}
	if err != nil {
		http.Error(w, "the request was not received whole", http.StatusBadRequest)
		return nil, false
	}
	if err := a.verifier.Verify(r.Header, body); err != nil {
		a.log.Warn("request was refused", "path", r.URL.Path, "error", err)
		http.Error(w, "the request is not signed by Slack for this app", http.StatusUnauthorized)
		return nil, false
	}
	return body, true
}

func (a *App) interaction(w http.ResponseWriter, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(w, "the request is not a form", http.StatusBadRequest)
		return
	}
	c, err := parseInteraction([]byte(form.Get("payload")))
	if err != nil {
		a.log.Warn("interaction was refused", "error", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !a.accept(c) {
		http.Error(w, "too much is going on; click again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK) // the answer follows
}

// command answers what it does not understand at once, to whoever has typed it.
func (a *App) command(w http.ResponseWriter, body []byte) {
	in, err := payload.ParseForm(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text := ""
	c, err := fromCommand(in)
	switch {
	case err != nil:
		text = err.Error()
	case !a.accept(c):
		text = "too much is going on; try again"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text) // only whoever has typed it sees it
}
