// SPDX-License-Identifier: Apache-2.0

// Package sandbox is a real Kubernetes, gateway, Prometheus and Temporal on one Linux machine, for the
// demo and the end-to-end tests.
//
// Each server is a program of its own (kube, gateway, prometheus, temporal), built once and cached, and
// started by the driver (directory driver) in namespaces of its own. This package builds the programs,
// starts a driver and speaks to it; it links none of the servers.
//
// What containers use is read from their processes, without cgroups: metrics.k8s.io tells it to
// HorizontalPodAutoscalers and to `kubectl top`, and a container over its memory limit ends as OOMKilled. A
// CPU limit is not enforced. The package of kube lists the other limits.
//
// The driver needs Linux and either root or unprivileged user namespaces. All state is in one
// directory; when the driver goes, by whatever signal, everything it started goes with it.
package sandbox
