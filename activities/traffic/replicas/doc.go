// SPDX-License-Identifier: Apache-2.0

// Package replicas is the router of a canary without one: for the time of the steps the root Service
// selects the pods of both tracks, and Kubernetes spreads connections evenly over them, so the candidate's
// share is that of its pods. It knows the weights 0, 100, and between them whichever the pods make.
//
// Four ways lead there, and three of them are not safe:
//
//   - Pods of green that carry blue's own labels would be matched by blue's Deployment, its autoscaler and
//     its disruption budget; Kubernetes calls overlapping selectors undefined.
//   - A label put onto blue's running pods is lost with every pod that is replaced, and with it the pod
//     from the Service: the capacity shrinks while nobody writes.
//   - An EndpointSlice kept by Slipway does not follow readiness while no worker runs: requests go to pods
//     that are dead.
//   - A label that both pod templates carry, and no Deployment selects by, needs nobody to keep it. That is
//     slipway.dev/service: <deployment>. Green's pods have it; blue's get it from their owner, once, in the
//     pod template: Slipway never restarts blue. Preflight refuses a target without it, and one where other
//     pods carry it.
//
// Stable keeps all its pods from the first step to the end of the bake; only the candidate grows beside it,
// up to the same size. So the way back is one write that waits for nothing and finds the whole of stable,
// whoever is dead meanwhile. The price: no weight between 50 and 100, and at 50 % twice the pods, which is
// what a canary behind a router has from its beginning.
//
// The share is one of connections, not of requests: callers that keep connections open for long stay
// where they are. A target with an autoscaler is refused, since either track's would change the share. So does
// somebody who scales stable in a step: Verify refuses a share above the weight, not one below it. Nothing counts requests by track here, so only the pods are
// watched.
package replicas
