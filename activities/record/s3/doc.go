// SPDX-License-Identifier: Apache-2.0

// Package s3 keeps the records of releases as objects of a bucket, for workers whose disk does not outlive them and
// for several workers, on Amazon S3 or whatever speaks its protocol.
//
// Lines are gathered for a minute, and then are one object,
//
//	<prefix>/<release>/<time of its first line>-<writer>-<number>.jsonl
//
// so that a record is its objects, one after the other in the order of their names. The writer is random, one per
// process, and the store itself is asked to refuse an object that stands already: no worker can change what another
// one has written, nor what it has written itself.
//
// Nobody waits for the store. What it has not taken yet is held in memory, within a limit, and sent again and again.
package s3
