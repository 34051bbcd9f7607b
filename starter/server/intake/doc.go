// SPDX-License-Identifier: Apache-2.0

// Package intake finds the plans that an event starts, and hands their releases to Temporal: within a
// deadline, or not at all. What could not be handed over is said to be so; nothing waits in memory.
package intake
