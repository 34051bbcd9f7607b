// SPDX-License-Identifier: Apache-2.0

// Package faultproxy stands between a program and a server that it calls, and lets calls go wrong: refused,
// slow, cut off before or after their effect, or with the death of the program at exactly that moment.
//
// It knows the paths of the Kubernetes API, so that a call can be picked by what it does; it never changes what
// passes. While nothing is asked of it, it only counts the writes.
package faultproxy
