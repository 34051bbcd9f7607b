// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package gateway pins the Traefik that the sandbox builds.
//
// Three modules that Traefik needs are replaced by stand-ins next to this file: one nested module is
// left out of Traefik's own module file, one is a fork, and one depends on a download that is not
// served everywhere. The sandbox uses none of the features behind them; each stand-in says so when it
// is called.
package gateway

import _ "github.com/traefik/traefik/v3/cmd/traefik"
