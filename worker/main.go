// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/slipwayhq/slipway/activities"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, env.ToMap(os.Environ()))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// run works until ctx is done: then it takes no new work, and gives what it has 5 s to end.
func run(ctx context.Context, environment map[string]string) error {
	c, err := configure(environment)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	w, err := wire(ctx, c, logger, activities.Clock{Now: time.Now, After: time.After})
	if err != nil {
		return err
	}
	defer w.temporal.Close()
	defer w.sendRecords(ctx) // after the queues have stopped
	health := serve(c.Listen, w)
	defer health.close()
	for _, queue := range w.queues {
		if err := queue.Start(); err != nil {
			return fmt.Errorf("start worker: %w", err)
		}
		defer queue.Stop()
	}
	w.started.Store(true)
	if len(c.ApprovalKeys) == 0 {
		logger.Warn("no approval key is trusted; nothing that asks for approval can be approved", "variable", "SLIPWAY_APPROVAL_KEYS")
	}
	logger.Info("worker started", "listen", c.Listen, "prometheus", c.Prometheus)
	select {
	case <-ctx.Done():
		logger.Info("worker stopped")
		return nil
	case err := <-health.failed:
		return fmt.Errorf("serve health on %s: %w; set SLIPWAY_LISTEN to a free address", c.Listen, err)
	case err := <-w.fatal:
		return fmt.Errorf("work: %w", err)
	}
}
