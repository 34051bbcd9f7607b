// SPDX-License-Identifier: Apache-2.0

// Package decide holds the decisions of a release as pure functions: no clock, no I/O, no interfaces,
// so that a workflow may call them directly and a table can test them.
package decide
