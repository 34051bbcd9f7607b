// SPDX-License-Identifier: Apache-2.0

// Package missed asks GitHub which deliveries of a webhook have failed, and what they carried. It only
// reads: two requests of GitHub's API are all it knows.
package missed
