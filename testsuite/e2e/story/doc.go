// SPDX-License-Identifier: Apache-2.0

// Package story tells whole releases on the sandbox and looks at what users, the route and Temporal saw
// of each. Its tests are the end-to-end tests of the strategies.
package story
