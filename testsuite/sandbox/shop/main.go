// SPDX-License-Identifier: Apache-2.0

// Command shop is the sandbox's sample service: a version, and faults on demand.
//
// Faults come from the environment (see faults), from PUT /faults at run time, and from a file that
// every instance may share (FAULTS_FILE), so that a test can make all versions worse at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/caarlos0/env/v11"
)

// config is the environment.
type config struct {
	Version string `env:"VERSION" envDefault:"v0"`
	Port    string `env:"PORT" envDefault:"8080"`
	// StartDelay is how long nothing listens.
	StartDelay time.Duration `env:"START_DELAY"`
	// NeverReady keeps the readiness probe failing for good.
	NeverReady bool `env:"NEVER_READY"`
	// CrashAfter ends the process with status 1 that long after its start; 0: never.
	CrashAfter time.Duration `env:"CRASH_AFTER"`
	// LeakPerSecond is how many bytes of memory are never given back, each second.
	LeakPerSecond int `env:"LEAK_PER_SECOND"`
	// Drain is how long requests are still answered after SIGTERM, with the readiness probe failing.
	Drain time.Duration `env:"DRAIN" envDefault:"3s"`
	// FaultsFile holds faults as JSON that take the place of the others while it exists.
	FaultsFile string `env:"FAULTS_FILE"`
	Faults     faults
}

func main() {
	c, err := env.ParseAs[config]()
	if err == nil {
		err = c.Faults.check()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err = run(ctx, c)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config) error {
	if !pause(ctx, c.StartDelay) {
		return nil
	}
	s := newShop(c, time.Now)
	if c.FaultsFile != "" {
		go s.followFile(ctx, c.FaultsFile)
	}
	if c.LeakPerSecond > 0 {
		go leak(ctx, c.LeakPerSecond)
	}
	crash := make(<-chan time.Time)
	if c.CrashAfter > 0 {
		crash = time.After(c.CrashAfter)
	}
	server := &http.Server{Addr: ":" + c.Port, Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return fmt.Errorf("listen: %w", err)
	case <-crash:
		return errors.New("crashed, as CRASH_AFTER asked")
	case <-ctx.Done():
	}
	return drain(server, s, c.Drain) //nolint:contextcheck // ctx is done, and answering goes on
}

// drain goes on answering until those who send requests have heard that it ends.
func drain(server *http.Server, s *shop, long time.Duration) error {
	s.draining.Store(true)
	pause(context.Background(), long)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}

// pause reports whether it was not interrupted.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// leak takes memory and touches it, so that it is really used.
func leak(ctx context.Context, perSecond int) {
	var kept [][]byte
	for pause(ctx, time.Second) {
		b := make([]byte, perSecond)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
	_ = kept
}
