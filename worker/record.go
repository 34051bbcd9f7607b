// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/record"
	"github.com/slipwayhq/slipway/activities/record/s3"
)

// keep is what keeps records at a place; nil without one. A bucket that does not answer, or refuses, is logged and
// tried again: without a record a release can still be ended well, without a worker it cannot.
func (w *wired) keep(place string, clock activities.Clock) (activities.Recorder, error) {
	if place == "" {
		return nil, nil //nolint:nilnil // no recorder is a choice
	}
	if !strings.HasPrefix(place, s3.Scheme) {
		return record.New(place)
	}
	bucket, err := s3.Open(place)
	if err != nil {
		return nil, fmt.Errorf("keep records: %w", err)
	}
	w.records = s3.Keep(bucket, clock, w.logger)
	return w.records, nil
}

// lastWords is how long a worker that ends waits for a bucket.
const lastWords = 5 * time.Second

// sendRecords sends what no bucket has taken yet.
func (w *wired) sendRecords(ctx context.Context) {
	if w.records == nil {
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer done()
	if err := w.records.Close(ctx); err != nil {
		w.logger.Error("records were lost", "error", err)
	}
}
