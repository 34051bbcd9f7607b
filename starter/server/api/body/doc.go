// SPDX-License-Identifier: Apache-2.0

// Package body reads what callers of the API send: one JSON object of a known shape and a bounded size, and
// nothing else. It knows nothing of releases, so that a fuzzer has little to prepare.
package body
