// SPDX-License-Identifier: Apache-2.0

// Package conformance is what every notifier must do, as tests: it tells every event, shows nobody the same
// message twice where the service can tell, comes back when the service asks it to, gives up where another
// attempt cannot help, ends with its context, and names no secret.
package conformance
