// SPDX-License-Identifier: Apache-2.0

// Package prometheus counts requests by the gateway's own counters, read from a Prometheus server.
//
// It asks for the raw values of counters and computes their growth itself, series by series: every
// scraped request is counted once, a counter that has been reset counts from zero, and a series that
// appears after the first look counts whole. rate() would extrapolate at the edges of a short window.
//
// Limits: the preset "traefik" reads Traefik 3's Gateway API provider with service metrics on (its
// default). Requests between the last scrape before a gateway's death and the death itself are lost to
// Prometheus and so to the verdict.
package prometheus
