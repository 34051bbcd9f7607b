// SPDX-License-Identifier: Apache-2.0

// Package matrix tells the cases of package faults on the sandbox: a small sample of them as a test, all of them
// with -all, one with -case.
package matrix
