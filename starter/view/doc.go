// SPDX-License-Identifier: Apache-2.0

// Package view draws a release for a terminal. Its functions are pure: a status and a time in, text
// out, so that whole screens can be compared in tests.
package view
