// SPDX-License-Identifier: Apache-2.0

// Package match compares events with the triggers of plans. It is pure. Whatever an event says, the image that
// comes of it is of the repository that the trigger names.
package match
