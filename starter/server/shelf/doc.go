// SPDX-License-Identifier: Apache-2.0

// Package shelf keeps the plans of a directory: a mounted ConfigMap, or a checkout. It reads them anew
// while it runs. A file that is broken is named and takes no other with it.
package shelf
