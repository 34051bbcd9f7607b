// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/fakeslack"
)

// clicks is how often a click is measured.
const clicks = 20

// approvals measures from the moment at which Slack sends a click to the moment at which the route has the next weight:
// verified, looked up, signed, verified by the worker, and written.
func approvals(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	shop, err := s.OpenShop(ctx, stage.ShopOptions{Namespace: "click"})
	if err != nil {
		return nil, err
	}
	defer shop.Close()
	w, err := s.OpenSlack(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Close() }()
	var took []float64
	for try := range clicks {
		one, err := click(ctx, shop, w, try)
		if err != nil {
			return nil, err
		}
		took = append(took, one.Seconds())
	}
	slices.Sort(took)
	return []Figure{
		{"click in Slack to the next weight in the route, slowest of 20", took[clicks-1], 1, "s"},
		{"the same, median", took[clicks/2], 1, "s"},
	}, nil
}

// click needs an image of its own: one that was aborted is in quarantine.
func click(ctx context.Context, shop *stage.Shop, w *stage.Slack, try int) (time.Duration, error) {
	image, err := shop.Stage.PutImage("candidate", map[string]string{"CLICK": strconv.Itoa(try)})
	if err != nil {
		return 0, err
	}
	steps := []string{`{weight: 10, hold: 1s, gate: {approvers: ["@team-checkout"], within: 5m}}`, "{weight: 50, hold: 10m}"}
	end, err := begin(ctx, shop, stage.Quick{Steps: steps}, image)
	if err != nil {
		return 0, err
	}
	var asked fakeslack.Message
	if err := await(ctx, func(context.Context) error {
		all := w.Of(shop)
		if len(all) != try+1 || !strings.Contains(all[try].Shown(), "approval by 1 of") {
			return errors.New("the question is not shown yet")
		}
		asked = all[try]
		return nil
	}); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := w.Click("U0ANN", asked, "slipway_approve").Send(ctx); err != nil {
		return 0, fmt.Errorf("click: %w", err)
	}
	var shifted time.Time
	if err := await(ctx, func(context.Context) error {
		for _, seen := range shop.Route.Since(began) {
			if seen.Candidate == 50 {
				shifted = seen.At
				return nil
			}
		}
		return errors.New("the weight has not changed yet")
	}); err != nil {
		return 0, err
	}
	if err := tell(ctx, shop, "abort"); err != nil {
		return 0, err
	}
	if said, err := end(); err != nil || said.Code != 2 {
		return 0, fmt.Errorf("release: %w: %+v", err, said)
	}
	return shifted.Sub(began), nil
}
