// SPDX-License-Identifier: Apache-2.0

// Package outbound sends the requests of notifiers.
//
// It follows no redirect, gives up after ten seconds, reads the first 64 KiB of an answer, and sorts what comes
// back: 429 and 5xx are tried again, when the service says so; every other refusal is final. Addresses and
// headers may be secrets, so no error holds either: it names the host alone.
package outbound
