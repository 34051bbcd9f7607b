// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"

	"go.temporal.io/server/common/log/tag"
)

// logAdapter writes the server's log lines with slog.
type logAdapter struct{ logger *slog.Logger }

func (a logAdapter) write(level slog.Level, message string, tags []tag.Tag) {
	attrs := make([]slog.Attr, 0, len(tags))
	for _, t := range tags {
		attrs = append(attrs, slog.Any(t.Key(), t.Value()))
	}
	a.logger.LogAttrs(context.Background(), level, message, attrs...)
}

func (a logAdapter) Debug(m string, t ...tag.Tag)  { a.write(slog.LevelDebug, m, t) }
func (a logAdapter) Info(m string, t ...tag.Tag)   { a.write(slog.LevelInfo, m, t) }
func (a logAdapter) Warn(m string, t ...tag.Tag)   { a.write(slog.LevelWarn, m, t) }
func (a logAdapter) Error(m string, t ...tag.Tag)  { a.write(slog.LevelError, m, t) }
func (a logAdapter) DPanic(m string, t ...tag.Tag) { a.write(slog.LevelError, m, t) }

// Panic and Fatal stop the server, as their callers expect.
func (a logAdapter) Panic(m string, t ...tag.Tag) { a.write(slog.LevelError, m, t); panic(m) }
func (a logAdapter) Fatal(m string, t ...tag.Tag) { a.write(slog.LevelError, m, t); panic(m) }
