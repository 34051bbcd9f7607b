// SPDX-License-Identifier: Apache-2.0

// Package github tells GitHub how the release of a commit goes: one deployment for each release, with a
// status for each event, and one commit status for each service and environment.
//
// A deployment is found again by the release's ID in its payload, and a status by what it says, so that no
// attempt makes a second one; only where GitHub's own lists lag behind a lost answer can one appear twice.
//
// Where a job waits to enter an environment until the release has ended, it is answered too: by a GitHub App alone,
// whose protection rule that is, with read access to Actions.
//
// The token, or the GitHub App, needs write access to Deployments and Commit statuses of the repository.
package github
