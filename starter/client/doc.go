// SPDX-License-Identifier: Apache-2.0

// Package client speaks to releases through Temporal: it starts them, tells them things, and asks how
// they are. It decides nothing; the workflow does.
package client
