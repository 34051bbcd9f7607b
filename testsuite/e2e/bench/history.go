// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// climb are the weights of a five-step canary.
func climb() []int { return []int{5, 10, 20, 40, 60} }

// histories releases by five steps with short and with long holds, and with a gate on each.
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
	var gates []string
	for _, w := range climb() {
		gates = append(gates, fmt.Sprintf("{weight: %d, hold: 2s, gate: {within: 5m}}", w))
	}
	var events []float64
	for i, one := range []struct {
		steps []string
		gates int
	}{{stage.Holding("2s", climb()...), 0}, {stage.Holding("20s", climb()...), 0}, {gates, len(gates)}} {
		image, err := s.PutImage(fmt.Sprintf("v%d", i+2), nil)
		if err != nil {
			return nil, err
		}
		if err := climbed(ctx, shop, one.steps, one.gates, image); err != nil {
			return nil, err
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
		{"the same with a gate on each step", events[2], 200, "events"},
	}, nil
}

// climbed releases by these steps, whose gates are answered.
func climbed(ctx context.Context, shop *stage.Shop, steps []string, gates int, image string) error {
	end, err := begin(ctx, shop, stage.Quick{Steps: steps}, image)
	if err != nil {
		return err
	}
	for n := range gates {
		if _, err := approve(ctx, shop, n+1); err != nil {
			return err
		}
	}
	if said, err := end(); err != nil || said.Code != 0 {
		return fmt.Errorf("release by %v: %w: %+v", steps, err, said)
	}
	return nil
}
