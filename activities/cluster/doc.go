// SPDX-License-Identifier: Apache-2.0

// Package cluster changes workloads in Kubernetes: it makes the candidate track, switches the root
// Service and retires tracks.
//
// The two tracks of a service are the Deployment that a team made (blue, left as it is) and a copy of
// it that Slipway makes (green, named "<deployment>-green"). No label of a green pod is matched by a
// selector of blue: every label that blue or the root Service selects by gets "-green" behind its
// value. Each candidate has a Service of its own, "<deployment>-blue" or "<deployment>-green".
//
// What preflight found is recorded in the ConfigMap "slipway-<deployment>" and on the root Service, for a
// person who must restore it without Temporal; the last write of a release ends that record.
//
// Every write reads the object, compares its fence with the write's own, and updates with the resource
// version it has read. A write that is older than the object is a fault of kind Fenced.
//
// What speaks of blue's pods follows them: disruption budgets, network policies and autoscalers get a copy
// for green, affinity is turned in the copy of the template, and ConfigMaps are snapshotted by the hash of
// their content. Copies carry the labels managed-by, service and track, by which they are found again.
//
// Limits: a Deployment whose selector uses expressions is refused; only the target's own namespace is
// looked at.
package cluster
