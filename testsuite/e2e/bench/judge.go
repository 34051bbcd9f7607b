// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// incidents is how many good releases meet an incident of everybody.
const incidents = 3

// tenTimes releases candidates that fail 1 % of their requests where stable fails 0.1 %.
func tenTimes(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	const usual, failures = .001, 80
	shop, err := s.OpenShop(ctx, stage.ShopOptions{
		Namespace: "judge", Rate: 200, Replicas: 4, Env: map[string]string{"ERROR_RATE": fmt.Sprint(usual)},
	})
	if err != nil {
		return nil, err
	}
	defer shop.Close()
	seeding, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if err := shop.GivePast(seeding, failures); err != nil {
		return nil, err
	}
	plan := stage.Quick{Steps: stage.Holding("3m", 10, 50), Preset: "app", Errors: "tolerate: 1.25x", Patience: "3m"}
	var above []float64
	missed := 0
	for n := range runs {
		image, err := s.PutImage(fmt.Sprintf("v%d", n+2), map[string]string{"ERROR_RATE": fmt.Sprint(10 * usual)})
		if err != nil {
			return nil, err
		}
		said, report, err := whole(ctx, shop, plan, image)
		if err != nil {
			return nil, err
		}
		if said.Code != undone {
			missed++
		}
		above = append(above, float64(report.Failed)-usual*float64(report.Requests))
	}
	slices.Sort(above)
	return []Figure{
		{"1 % errors beside 0.1 %: not caught, of 5", float64(missed), 0, "releases"},
		{"failed requests above the baseline, median of them", above[runs/2], 40, "requests"},
	}, nil
}

// undone is how a release command ends whose release was taken back.
const undone = 2

// whole releases an image, and counts the requests from its beginning to its end.
func whole(ctx context.Context, shop *stage.Shop, q stage.Quick, image string) (stage.Said, load.Report, error) {
	shop.Cut()
	end, err := begin(ctx, shop, q, image)
	if err != nil {
		return stage.Said{}, load.Report{}, err
	}
	said, err := end()
	return said, load.Summarize(shop.Cut()), err
}

// catastrophes releases candidates that fail every request. Ticks are 1 s long, and users are safe within two
// of them and 2 s.
func catastrophes(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	shop, err := s.OpenShop(ctx, stage.ShopOptions{Namespace: "catastrophe", Rate: 200, NewConnections: true})
	if err != nil {
		return nil, err
	}
	defer shop.Close()
	slowest, missed := 0., 0
	for n := range runs {
		image, err := s.PutImage(fmt.Sprintf("v%d", n+2), map[string]string{"ERROR_RATE": "1"})
		if err != nil {
			return nil, err
		}
		began := time.Now()
		said, _, err := whole(ctx, shop, stage.Quick{Steps: stage.Holding("30s", 20)}, image)
		if err != nil {
			return nil, err
		}
		seen := shop.Route.Since(began)
		if said.Code != undone || len(seen) < 2 {
			missed++
			continue
		}
		slowest = max(slowest, seen[len(seen)-1].At.Sub(seen[0].At).Seconds())
	}
	return []Figure{
		{"every request fails: not caught, of 5", float64(missed), 0, "releases"},
		{"from the weight to safety, slowest of 5 with ticks of 1 s", slowest, 4, "s"},
	}, nil
}

// incidentsOfAll releases good candidates, and makes both versions worse in the middle for a while.
func incidentsOfAll(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	shop, err := s.OpenShop(ctx, stage.ShopOptions{Namespace: "incident", Rate: 200, Replicas: 4})
	if err != nil {
		return nil, err
	}
	defer shop.Close()
	moved, kept := 0, 0
	for n := range incidents {
		image, err := s.PutImage(fmt.Sprintf("v%d", n+2), nil)
		if err != nil {
			return nil, err
		}
		weights, said, err := incident(ctx, shop, image)
		if err != nil {
			return nil, err
		}
		if weights > 1 {
			moved++
		}
		if said.Code != 0 {
			kept++
			fmt.Printf("a good release was not promoted: %s\n", said.Out)
		}
	}
	return []Figure{
		{"an incident of both versions: weight moved meanwhile, of 3", float64(moved), 0, "releases"},
		{"not promoted after it ended, of 3", float64(kept), 0, "releases"},
	}, nil
}

// incident lasts three times the hold of a step. It returns how many weights there were until its end.
func incident(ctx context.Context, shop *stage.Shop, image string) (int, stage.Said, error) {
	began := time.Now()
	end, err := begin(ctx, shop, stage.Quick{Steps: stage.Holding("4s", 20, 50), Patience: "1m"}, image)
	if err != nil {
		return 0, stage.Said{}, err
	}
	err = await(ctx, func(context.Context) error {
		if slices.Contains(shop.Route.Shares(began), 20) {
			return nil
		}
		return errors.New("the candidate does not have its share yet")
	})
	if err := errors.Join(err, shop.Incident(stage.Faults{ErrorRate: .2})); err != nil {
		return 0, stage.Said{}, err
	}
	over := time.NewTimer(12 * time.Second)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
	}
	weights := len(shop.Route.Shares(began))
	if err := shop.Recover(); err != nil {
		return 0, stage.Said{}, err
	}
	said, err := end()
	return weights, said, err
}
