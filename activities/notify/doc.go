// SPDX-License-Identifier: Apache-2.0

// Package notify makes the receivers that a worker knows from one file, which holds all their secrets: plans
// name receivers, and nothing else of them leaves the worker.
//
// Each receiver is guarded: it gets a bounded number of messages at once, and one that has asked to be left
// alone is not asked again before its time, so that a receiver in trouble takes no places from another.
package notify
