// SPDX-License-Identifier: Apache-2.0

// Package policy holds tests of what is true of the project as a whole rather than of one package.
package policy
