// SPDX-License-Identifier: Apache-2.0

// Command worker executes releases: their workflows and their activities. Any number may run; none
// holds state of its own. It is configured by the environment (see config) and by Temporal's own
// TEMPORAL_* variables and profiles.
package main
