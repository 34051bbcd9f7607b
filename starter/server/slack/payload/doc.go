// SPDX-License-Identifier: Apache-2.0

// Package payload reads what Slack sends: it believes what Slack has signed for this app, and says who has done
// what, and what they were looking at. It knows nothing of releases and decides nothing, so that a fuzzer has little to
// prepare.
package payload
