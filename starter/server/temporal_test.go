// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/workflows"
)

// temporal is a Temporal with releases, and one intake per key.
type temporal struct {
	mu       sync.Mutex
	away     bool
	begun    map[string]client.Request
	statuses map[string]workflows.Status
	places   map[string]workflows.Place
	told     []string
	// decided are the decisions that told tells of.
	decided []client.Decision
	// newest are the releases that are found without an ID, by their lane.
	newest map[client.Lane]workflows.Status
}

func newTemporal() *temporal {
	return &temporal{begun: map[string]client.Request{}, statuses: map[string]workflows.Status{}, places: map[string]workflows.Place{}, newest: map[client.Lane]workflows.Status{}}
}

var errAway = errors.New("no connection")

// Answers implements server.Temporal.
func (f *temporal) Answers(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return errAway
	}
	return nil
}

// Take implements intake.Taker.
func (f *temporal) Take(ctx context.Context, r client.Request) (client.Taken, error) {
	if err := f.Answers(ctx); err != nil {
		return client.Taken{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := fmt.Sprintf("%s-%s", r.Plan.Metadata.Name, r.Plan.Metadata.Environment)
	before, known := f.begun[r.Key]
	if known && r.Once && before.Image != r.Image {
		return client.Taken{}, &client.UsedError{ID: id}
	}
	if !known {
		f.begun[r.Key] = r
	}
	return client.Taken{ID: id, Known: known}, nil
}

// Find implements api.Releases.
func (f *temporal) Find(ctx context.Context, l client.Lane, id string) (workflows.Status, *workflows.Place, error) {
	if err := f.Answers(ctx); err != nil {
		return workflows.Status{}, nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := f.newest[l]; ok && id == "" {
		return s, nil, nil
	}
	if p, ok := f.places[id]; ok {
		return workflows.Status{}, &p, nil
	}
	if s, ok := f.statuses[id]; ok {
		return s, nil, nil
	}
	return workflows.Status{}, nil, &client.UnknownError{Lane: l, ID: id}
}

// History implements api.Releases.
func (f *temporal) History(_ context.Context, l client.Lane, limit int) ([]client.Past, error) {
	return []client.Past{{ID: fmt.Sprintf("%s-%d", l.Name, limit)}}, nil
}

// Decide implements api.Releases.
func (f *temporal) Decide(_ context.Context, d client.Decision) (client.Decided, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.statuses[d.Seen.Release].Phase.Ended() {
		return client.Decided{}, &client.RefusedError{}
	}
	f.decided = append(f.decided, d)
	f.told = append(f.told, fmt.Sprintf("%s %s %s by %s: %s (%s)", d.Command, d.Lane, d.Seen.Release, d.Who, d.Reason, d.ID))
	return client.Decided{Status: f.statuses[d.Seen.Release]}, nil
}

// Withdraw implements api.Releases.
func (f *temporal) Withdraw(_ context.Context, l client.Lane, w workflows.Withdrawal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, fmt.Sprintf("withdraw %s %s by %s: %s", l, w.ID, w.By, w.Reason))
	delete(f.places, w.ID)
	f.statuses[w.ID] = workflows.Status{ID: w.ID, Phase: workflows.Superseded}
	return nil
}

// set makes a release be in a phase.
func (f *temporal) set(id string, p workflows.Phase) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statuses[id] = workflows.Status{ID: id, Phase: p}
}

// serve makes a release the newest one of a lane.
func (f *temporal) serve(l client.Lane, s workflows.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.newest[l] = s
}

func (f *temporal) commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.told)
}

// decision is the newest one.
func (f *temporal) decision() client.Decision {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.decided[len(f.decided)-1]
}

func (f *temporal) requests() map[string]client.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.begun)
}

func (f *temporal) leave(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}
