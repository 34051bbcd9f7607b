// SPDX-License-Identifier: Apache-2.0

// Package access knows who calls the API, and who may do what: tokens with names and rights, of which the server
// keeps hashes alone; people, by a token of their company's issuer or by a certificate; and CI jobs that show a token
// of GitHub Actions or GitLab in place of a secret.
//
// Nothing of a token is believed before its signature is verified, but for the name of its issuer, which decides who
// verifies it. No error and no answer shows a token or a part of one.
package access
