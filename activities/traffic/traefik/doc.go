// SPDX-License-Identifier: Apache-2.0

// Package traefik shifts traffic by the weights of a TraefikService, which the team's IngressRoutes name in
// place of the Service. A TraefikService has no status: a weight counts when it is read back, and the
// observed share of requests, where there are metrics, tells whether Traefik has taken it up. How the weights
// are written is told in package split.
package traefik
