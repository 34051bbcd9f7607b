// SPDX-License-Identifier: Apache-2.0

// Package s3 keeps records in a real store that speaks the protocol of S3 and verifies its signatures. It is a module
// of its own, so that what the store needs is nobody else's.
package s3
