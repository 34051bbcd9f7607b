// SPDX-License-Identifier: Apache-2.0

// Package router puts the adapters of all routers together, by the fields of spec.traffic that name them, for
// the worker and for a rescue.
package router
