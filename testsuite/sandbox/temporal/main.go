// SPDX-License-Identifier: Apache-2.0

// Command temporal is a whole Temporal cluster with its web UI in one process, on one SQLite file.
//
// It is made for the sandbox: everything listens on one loopback address without authentication, and
// the state survives kill -9 (not a power cut). It prints "ready" on its standard output once the
// namespace answers and knows Slipway's search attributes.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options of the server.
type options struct {
	ip           string
	port, uiPort int
	db           string
	level        slog.Level
}

func main() {
	var o options
	flag.StringVar(&o.ip, "ip", "127.0.0.1", "numeric address to listen on")
	flag.IntVar(&o.port, "port", 7233, "gRPC port")
	flag.IntVar(&o.uiPort, "ui-port", 8233, "port of the web UI")
	flag.StringVar(&o.db, "db", "temporal.db", "SQLite file; made if it is missing")
	flag.TextVar(&o.level, "log-level", slog.LevelError, "debug, info, warn or error")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "temporal:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if err := migrate(ctx, o.db); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: o.level}))
	s, err := newServer(o, logger)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- s.Start() }()
	ui := newUI(o)
	go func() { failed <- ui.Start() }()
	defer ui.Stop()
	boot, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := prepare(boot, o.address()); err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		select {
		case <-ctx.Done():
			return s.Stop()
		case err := <-failed:
			if err != nil {
				return fmt.Errorf("serve: %w", err)
			}
		}
	}
}
