// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// aborts measures from the start of the abort command to the end of the last request that the candidate
// answered, with a new connection for every request and half of them on the candidate.
func aborts(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	shop, err := s.OpenShop(ctx, stage.ShopOptions{Namespace: "abort", NewConnections: true})
	if err != nil {
		return nil, err
	}
	defer shop.Close()
	var took []float64
	failed := 0
	for i := range returns {
		one, report, err := abort(ctx, shop, i)
		if err != nil {
			return nil, err
		}
		took, failed = append(took, one.Seconds()), failed+report.Failed
	}
	slices.Sort(took)
	return []Figure{
		{"abort of a canary to the candidate's last answer, slowest of 30", took[returns-1], .6, "s"},
		{"the same, median", took[returns/2], .3, "s"},
		{"failed requests in all of them", float64(failed), 0, "requests"},
	}, nil
}

// abort needs an image of its own: one that was aborted is in quarantine.
func abort(ctx context.Context, shop *stage.Shop, try int) (time.Duration, load.Report, error) {
	s := shop.Stage
	image, err := s.PutImage("candidate", map[string]string{"TRY": strconv.Itoa(try)})
	if err != nil {
		return 0, load.Report{}, err
	}
	shop.Cut()
	end, err := begin(ctx, shop, stage.Quick{Steps: stage.Holding("10m", 50)}, image)
	if err != nil {
		return 0, load.Report{}, err
	}
	err = await(ctx, func(context.Context) error {
		answers := 0
		for _, r := range shop.Results() {
			if r.Version == "candidate" {
				answers++
			}
		}
		if answers < 100 {
			return errors.New("the candidate has not answered 100 requests yet")
		}
		return nil
	})
	if err != nil {
		return 0, load.Report{}, err
	}
	began := time.Now()
	if err := tell(ctx, shop, "abort"); err != nil {
		return 0, load.Report{}, err
	}
	if said, err := end(); err != nil || said.Code != 2 {
		return 0, load.Report{}, fmt.Errorf("release: %w: %+v", err, said)
	}
	results := shop.Cut()
	return lastAnswer(results, "candidate", began), load.Summarize(results), nil
}
