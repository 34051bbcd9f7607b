// SPDX-License-Identifier: Apache-2.0

// Package istio shifts traffic by the weights of a VirtualService's HTTP routes, and lets testers in by routes
// of their own before them in the same object: a mesh takes one VirtualService for a host.
//
// What a DestinationRule says of the root Service's host (mutual TLS, pools, outliers) is made to hold for
// the candidate's too, by a second one beside it, for as long as the candidate is there.
//
// Istio writes a status only where its analysis is switched on. What that says is heeded; where it says
// nothing, a weight counts when it is read back. How the weights are written is told in package split.
package istio
