// SPDX-License-Identifier: Apache-2.0

// Package faults tells releases on the sandbox in which one thing goes wrong, and judges from outside whether
// they kept what Slipway promises.
//
// The matrix is every write that the worker makes in every [Way], times the three moments at which the worker
// can be killed around it, and what else may fail beside: see [Cases]. The writes stand in writes.json, as a
// telling without faults has made them; a telling that makes another one fails, and so does a test here when an
// activity that writes is in none of them.
//
// Each [Case] has a service of its own. Cases run side by side, each on a [Seat]: a namespace of Temporal's, a
// worker, and proxies before the API server and Prometheus.
package faults
