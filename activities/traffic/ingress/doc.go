// SPDX-License-Identifier: Apache-2.0

// Package ingress shifts traffic by the canary annotations of ingress-nginx, which Traefik's provider of
// that name obeys too. The team's Ingress stays as it is; a second one, "<ingress>-canary", has its hosts and
// paths for the root Service, the candidate behind them, and the weight in an annotation. It is there while
// the candidate has a share, or testers are let in.
//
// A create cannot be fenced by an annotation of the object itself. So each write first leaves its fence on
// the team's Ingress; a second Ingress is created with the weight 0, which sends it nothing; and only where
// the fence on the team's is still the same does it get its weight, in an update by resource version. A late
// attempt finds a newer fence, or the object it has read gone.
//
// An Ingress has no status that tells whether a controller has taken it up: a weight counts when it is read
// back, and the observed share of requests, where there are metrics, tells the rest.
package ingress
