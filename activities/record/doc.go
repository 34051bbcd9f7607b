// SPDX-License-Identifier: Apache-2.0

// Package record keeps the records of releases as files: one per release, "<release>.jsonl", one JSON object per
// line, only ever appended to. They outlive Temporal's retention, and `slipway judge replay` judges them again.
//
// Workers that take a release over from each other write the same file if they share the directory; else the
// record is in parts, one per worker. Package s3, below it, is for workers that share no directory; what every
// store must do is in the package conformance.
package record
