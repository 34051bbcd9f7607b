// SPDX-License-Identifier: Apache-2.0

// Package temporal finds releases, lanes and environments in Temporal.
package temporal
