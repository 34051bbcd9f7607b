// SPDX-License-Identifier: Apache-2.0

// Package sender knows who sends events: how each proves that it is the sender, and what its events say.
//
// A [Sender] verifies first, in constant time and over the raw body, and only then reads. What it returns is
// an [Event] in the words of a plan's triggers, or an [Answer] that says why there is none. It starts
// nothing, remembers nothing, and its errors never repeat a secret or a signature.
package sender
