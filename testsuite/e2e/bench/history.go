// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// histories releases by five steps with short and with long holds.
func histories(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	shop, err := s.OpenShop(ctx, stage.ShopOptions{Namespace: "history"})
	if err != nil {
		return nil, err
	}
	defer shop.Close()
	temporal, err := s.Dial(ctx)
	if err != nil {
		return nil, err
	}
	defer temporal.Close()
	var events []float64
	for i, hold := range []string{"2s", "20s"} {
		image, err := s.PutImage(fmt.Sprintf("v%d", i+2), nil)
		if err != nil {
			return nil, err
		}
		end, err := begin(ctx, shop, stage.Quick{Steps: stage.Holding(hold, 5, 10, 20, 40, 60)}, image)
		if err != nil {
			return nil, err
		}
		if said, err := end(); err != nil || said.Code != 0 {
			return nil, fmt.Errorf("release with holds of %s: %w: %+v", hold, err, said)
		}
		h, err := stage.History(ctx, temporal, shop.Lane())
		if err != nil {
			return nil, err
		}
		events = append(events, float64(len(h.Events)))
	}
	return []Figure{
		{"history of a five-step canary, holds of 2 s", events[0], 200, "events"},
		{"the same with holds of 20 s: difference", math.Abs(events[1] - events[0]), 0, "events"},
	}, nil
}
