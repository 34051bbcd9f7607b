// SPDX-License-Identifier: Apache-2.0

// Package statement is what a server says, and signs, about a decision of a person: who they are, how they
// were recognised, what they decided, and exactly which question of which release they decided.
//
// A server that has authenticated somebody signs; a worker verifies with the public keys of its own
// configuration. Nobody in between needs to be trusted: not Temporal, not its UI, not the network. A
// signature is Ed25519 (RFC 8032) over [Statement.Encode], which is the one encoding of a statement, so
// that no two readings of one signature exist.
//
// The package is pure: it reads no clock, no environment and no file. It knows nothing of how a decision
// counts: that is the release's matter.
package statement
