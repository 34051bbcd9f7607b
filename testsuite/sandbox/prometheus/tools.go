// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package prometheus pins the Prometheus server that the sandbox builds.
package prometheus

import _ "github.com/prometheus/prometheus/cmd/prometheus"
