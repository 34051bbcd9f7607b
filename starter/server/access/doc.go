// SPDX-License-Identifier: Apache-2.0

// Package access knows who may do what over the API: tokens with names and rights, of which the server keeps
// hashes alone, and CI jobs that show a token of GitHub Actions or GitLab in place of a secret.
package access
