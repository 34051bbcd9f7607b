// SPDX-License-Identifier: Apache-2.0

// Package gatewayapi shifts traffic by the weights of a Gateway API HTTPRoute or GRPCRoute, and lets testers
// in by a second route of the same kind. A weight counts when every gateway of the route has accepted the
// generation that has it. How the weights are written is told in package split.
package gatewayapi
