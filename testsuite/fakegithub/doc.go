// SPDX-License-Identifier: Apache-2.0

// Package fakegithub is the part of GitHub that Slipway speaks to, over its real protocol: webhooks that
// are signed and delivered, the deliveries API that remembers them, deployments with their statuses,
// commit statuses, and jobs that wait to enter an environment until a GitHub App has answered.
//
// It is an [http.Handler]; serve it with httptest and give its URL where https://api.github.com stands
// otherwise. It checks the token of every request as GitHub does, and keeps everything in memory.
package fakegithub
