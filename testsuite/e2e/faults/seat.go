// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.temporal.io/sdk/client"

	"github.com/slipwayhq/slipway/testsuite/e2e/faultproxy"
	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// Seat is a place for one release at a time, beside others on one sandbox: a worker that can be killed without
// anybody else noticing, with proxies before what it talks to.
type Seat struct {
	*stage.Stage
	// API stands before the API server, Metrics before Prometheus.
	API, Metrics *faultproxy.Proxy

	temporal client.Client
	told     int
	mu       sync.Mutex
	starting sync.WaitGroup
	err      error
}

// OpenSeat opens a seat with a name of its own.
func OpenSeat(ctx context.Context, s *stage.Stage, name string) (*Seat, error) {
	own, err := s.Beside(ctx, name)
	if err != nil {
		return nil, err
	}
	upstream, transport, err := s.Upstream()
	if err != nil {
		return nil, err
	}
	seat := &Seat{Stage: own}
	if seat.API, err = faultproxy.Start(faultproxy.Options{Upstream: upstream, Transport: transport, TLS: true}); err != nil {
		return nil, err
	}
	if seat.Metrics, err = faultproxy.Start(faultproxy.Options{Upstream: s.Prometheus}); err != nil {
		return nil, err
	}
	seat.API.OnKill(seat.Kill)
	if seat.temporal, err = own.Dial(ctx); err != nil {
		return nil, err
	}
	seat.Worker, err = seat.start(ctx)
	return seat, err
}

func (s *Seat) start(ctx context.Context) (*stage.Worker, error) {
	return s.StartWorker(ctx, stage.WorkerOptions{
		Kube: s.API.URL, KubeCA: s.API.CA, Env: map[string]string{"SLIPWAY_PROMETHEUS_URL": s.Metrics.URL},
	})
}

// Kill sends SIGKILL to the worker and returns when it is dead. Another one is started meanwhile.
func (s *Seat) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.Worker.Kill(); err != nil {
		s.err = errors.Join(s.err, err)
		return
	}
	s.starting.Go(func() {
		w, err := s.start(context.Background()) // it outlives the call
		s.mu.Lock()
		defer s.mu.Unlock()
		s.Worker, s.err = w, errors.Join(s.err, err)
	})
}

// steady waits until the worker is there again, and returns what went wrong with the seat itself since.
func (s *Seat) steady() error {
	s.starting.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	s.err = nil
	if err == nil && !s.Worker.Alive() {
		err = fmt.Errorf("the worker has ended by itself; see %s", s.Worker.Log)
	}
	return err
}

// next is the name of the seat's next service.
func (s *Seat) next() string {
	s.told++
	return fmt.Sprintf("%s-%d", s.Namespace, s.told)
}

// Close ends the worker and the proxies.
func (s *Seat) Close() error {
	err := s.steady()
	if s.Worker.Alive() {
		err = errors.Join(err, s.Worker.Kill())
	}
	s.temporal.Close()
	s.API.Close()
	s.Metrics.Close()
	return err
}
