// SPDX-License-Identifier: Apache-2.0

// Package gitlab tells GitLab how the release of a commit goes: one commit status for each service and
// environment, which the commit's pipeline and its merge request show.
//
// A status of GitLab can only move on, so what it shows already is not sent again: events between the
// beginning and the end show nothing new. The token needs the scope api and the role Developer. See
// https://docs.gitlab.com/api/commits/#set-commit-pipeline-status.
package gitlab
