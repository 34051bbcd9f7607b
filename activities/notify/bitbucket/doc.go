// SPDX-License-Identifier: Apache-2.0

// Package bitbucket tells Bitbucket Cloud how the release of a commit goes: one build status for each service
// and environment, which is written anew by its key for each event.
//
// The token is a repository, project or workspace access token that may write pull requests and repositories.
// See https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/.
package bitbucket
