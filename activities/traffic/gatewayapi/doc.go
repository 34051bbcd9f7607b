// SPDX-License-Identifier: Apache-2.0

// Package gatewayapi shifts traffic by the weights of a Gateway API HTTPRoute.
//
// Every rule of the route that sends to the root Service is shifted; a rule that has other backends
// beside the root Service and the candidate's is refused, since their shares would change. The route is
// changed by update with the resource version it was read with, touching only those two backends:
// spec.rules is an atomic list, and server-side apply would claim all of it.
//
// At weight 0 the candidate's backend is taken out and the root Service gets the weight back that its
// owner gave it, so that the route is as its owner wrote it. While the candidate has a share, the safe state
// stands in an annotation of the route. That way is always open; on the way forward a
// rule that does not stand as Slipway left it is a fault of kind Edited.
package gatewayapi
