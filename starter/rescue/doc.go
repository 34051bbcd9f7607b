// SPDX-License-Identifier: Apache-2.0

// Package rescue restores the safe state that a release has recorded on the cluster's own objects, with the
// rights of the person who runs it: no Temporal, no worker, no metrics, no registry.
//
// [Plan] is pure: what was recorded and what is found now make a list of actions. [Rescuer.Carry] performs
// them in their order, goes on past failures, and says what is left and the kubectl command for it. Every
// write carries a new fence above the last, also where nothing has to change, so that a release that
// comes back can write nothing any more.
//
// It restores traffic and capacity, never an image: a Deployment that somebody has changed since is told
// and left as it is.
package rescue
