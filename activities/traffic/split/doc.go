// SPDX-License-Identifier: Apache-2.0

// Package split is what all routers have in common whose object holds lists of weighed backends: an
// HTTPRoute, a GRPCRoute, a TraefikService, a VirtualService. A [Kind] says where the lists are and how an
// entry names its Service; everything else is here, once.
//
// Every list that sends to the root Service is shifted; one that has other backends beside the root
// Service and the candidate's is refused, since their shares would change. The object is read as it is,
// unknown fields included, and written by update with the resource version it was read with, touching only
// those two entries: such lists are atomic to the API server, and server-side apply would claim all of them.
//
// At weight 0 the candidate's entry is taken out and the root Service gets the weight back that its owner
// gave it, so that the object is as its owner wrote it. While the candidate has a share, the safe state
// stands in an annotation of the object. That way is always open; on the way forward a list that does not
// stand as Slipway left it is a fault of kind Edited, which names the field and who manages it.
//
// What Slipway makes beside an object of the team is a [Companion].
package split
