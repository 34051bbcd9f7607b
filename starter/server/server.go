// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/slipwayhq/slipway/starter/server/api"
	"github.com/slipwayhq/slipway/starter/server/intake"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/starter/server/shelf"
)

// What a connection may take.
const (
	headerWithin = 5 * time.Second
	readWithin   = 10 * time.Second
	writeWithin  = 30 * time.Second
	idleWithin   = 2 * time.Minute
	maxHeader    = 32 << 10
	// stopWithin is how long requests may go on once the server is told to stop.
	stopWithin = 10 * time.Second
	// look is the pause between two looks of a stream.
	look = time.Second
)

// Temporal is how releases are begun and reached.
type Temporal interface {
	intake.Taker
	api.Releases
	// Answers is nil while Temporal does.
	Answers(ctx context.Context) error
}

// Part is a further way in, such as that of a chat: it serves paths of its own, adds routes to the API, and
// may have something to do as long as the server runs.
type Part interface {
	Register(mux *http.ServeMux)
	// Routes of the API; they are authenticated and described like the others.
	Routes() []api.Route
	// Run returns when ctx is done.
	Run(ctx context.Context)
}

// World is what a server is given.
type World struct {
	Temporal Temporal
	Logger   *slog.Logger
	Now      func() time.Time
	// Tick makes the ticks by which something is done again and again.
	Tick  func(time.Duration) (tick <-chan time.Time, stop func())
	Parts []Part
}

// Server takes events and serves the API.
type Server struct {
	config  Config
	world   World
	logger  *slog.Logger
	now     func() time.Time
	plans   *shelf.Shelf
	desk    *intake.Desk
	senders map[string]sender.Sender
	// tls is nil where something else in front has it.
	tls     *tls.Config
	metrics *metrics
	// stopped is closed when streams are to end, stopping true once nothing new is wanted.
	stopped  chan struct{}
	stopping atomic.Bool
	handler  http.Handler
	missed   *missing
}

// New reads secrets and plans, and refuses what cannot work. It does not wait for Temporal.
func New(c Config, w World) (*Server, error) {
	s := &Server{config: c, world: w, logger: w.Logger, now: w.Now, stopped: make(chan struct{})}
	var err error
	if s.senders, err = c.senders(); err != nil {
		return nil, err
	}
	tokens, err := c.tokens()
	if err != nil {
		return nil, err
	}
	jobs, err := c.jobs(w.Now)
	if err != nil {
		return nil, err
	}
	people, err := c.people(w.Now)
	if err == nil {
		err = c.entitled(tokens)
	}
	if err != nil {
		return nil, err
	}
	if s.tls, err = c.secured(w); err != nil {
		return nil, err
	}
	if len(s.senders) == 0 && tokens.Len() == 0 && tokens.People() == 0 && jobs == nil {
		return nil, errors.New("nobody could start anything: name SLIPWAY_SENDERS and their secrets, tokens or people in the file api-tokens of SLIPWAY_SECRETS, or SLIPWAY_JOB_AUDIENCE")
	}
	s.plans = shelf.New(c.Plans, w.Logger)
	if err := s.plans.Load(); err != nil {
		return nil, fmt.Errorf("%w; set SLIPWAY_PLANS", err)
	}
	s.desk = intake.New(s.plans, w.Temporal, w.Now, s.link)
	s.metrics = newMetrics(s.plans)
	if s.missed, err = newMissing(s); err != nil {
		return nil, err
	}
	s.handler = s.routes(&api.API{
		Releases: w.Temporal, Plans: s.plans, Desk: s.desk, Tokens: tokens, Jobs: jobs, People: people, Logger: w.Logger, Now: w.Now, Look: look, Stop: s.stopped,
	})
	return s, nil
}

// link is where people see a release.
func (s *Server) link(service, id string) string {
	return s.config.PublicURL + "/api/v1/releases/" + service + "/" + id
}

// routes are all there is to ask.
func (s *Server) routes(a *api.API) http.Handler {
	mux := http.NewServeMux()
	for name, from := range s.senders {
		mux.HandleFunc("POST /webhooks/"+name, s.webhook(name, from))
	}
	mux.HandleFunc("/webhooks/", s.unknownSender)
	var more []api.Route
	for _, p := range s.world.Parts {
		p.Register(mux)
		more = append(more, p.Routes()...)
	}
	a.Register(mux, more...)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}

// Handler serves everything, without the limits of a connection.
func (s *Server) Handler() http.Handler { return s.handler }

// ready is 200 while requests are wanted. Temporal may be away: this server says so to whoever sends something,
// with the words that a proxy in front of it lacks.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.stopping.Load() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	if err := s.world.Temporal.Answers(ctx); err != nil {
		_, _ = fmt.Fprintf(w, "ready, but what is sent now is refused with 503: %v\n", err)
	}
}

// Run serves on a listener until ctx is done; then it takes nothing new, ends streams, and gives what it has
// 10 s to end.
func (s *Server) Run(ctx context.Context, on net.Listener) error {
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: headerWithin, ReadTimeout: readWithin, WriteTimeout: writeWithin, IdleTimeout: idleWithin,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	beside, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	for _, run := range append([]func(context.Context){s.follow, s.missed.run}, s.parts()...) {
		wait.Go(func() { run(beside) })
	}
	failed := make(chan error, 1)
	go func() { failed <- s.serve(server, on) }()
	s.logger.Info("server started", "listen", on.Addr().String(), "senders", s.config.Senders, "plans", len(s.plans.Plans()))
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	close(s.stopped)
	cancel()
	late, done := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer done()
	err = errors.Join(err, server.Shutdown(late))
	wait.Wait()
	s.desk.Close()
	s.logger.Info("server stopped")
	return err
}

func (s *Server) serve(server *http.Server, on net.Listener) error {
	if s.tls == nil {
		return server.Serve(on)
	}
	server.TLSConfig = s.tls
	return server.ServeTLS(on, "", "")
}

func (s *Server) parts() []func(context.Context) {
	var out []func(context.Context)
	for _, p := range s.world.Parts {
		out = append(out, p.Run)
	}
	return out
}

// follow reads the plans anew.
func (s *Server) follow(ctx context.Context) {
	tick, stop := s.world.Tick(s.config.PlansInterval)
	defer stop()
	s.plans.Follow(ctx, tick)
}
