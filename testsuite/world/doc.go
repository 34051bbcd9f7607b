// SPDX-License-Identifier: Apache-2.0

// Package world is one fake production for tests of workflows: a service with two tracks, or one whose pods
// are replaced in place, a router and the requests that flow through it, behind the interfaces that the real activity structs consume.
//
// All of it shares one fake time and one timeline of effects, which a test compares whole. A wait costs
// no real time: an activity that polls or watches runs through its wait at once, and its result reaches
// the workflow that much later on the workflow's own clock. A world can be told to fail, to stay
// unready or unsettled, and to serve bad requests or none; and it flags by itself what no release may
// ever do, see [World.Violations].
//
// It fences writes as the real adapters do, but it knows nothing of Kubernetes: what only an API server
// can refuse is tested there.
package world
