// SPDX-License-Identifier: Apache-2.0

// Package conformance is what every store of records must do, as tests: it gives back what it was given, in its order;
// it changes nothing that stands there, whoever writes; workers that write at once lose nothing of each other; and a
// watch that another worker has taken over is one watch.
package conformance
