// SPDX-License-Identifier: Apache-2.0

// Package log stands in for ACME logging.
package log

import "log/slog"

func SetDefault(*slog.Logger) {}
