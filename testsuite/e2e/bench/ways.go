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

const (
	// runs of each way.
	runs = 5
	// rate of all users together in requests per second: most come through the gateway, some through the
	// root Service. It is 500, or as near as this machine comes; below least the figures mean nothing.
	gatewayRate, serviceRate, least = 400, 100, 300
)

// way is one path of a release from its beginning to its end.
type way struct {
	name string
	plan stage.Quick
	// back takes it back in the middle; nil lets it finish.
	back func(context.Context, *stage.Shop) error
	code int
}

// everyWay is each strategy forward, and back from where most users are on the candidate.
func everyWay() []way {
	canary, blueGreen := stage.Quick{Steps: stage.Holding("2s", 10, 50)}, stage.Quick{BlueGreen: " "}
	canaryBack, blueGreenBack, selectorBack := canary, blueGreen, stage.Quick{BlueGreen: " ", Selector: true}
	canaryBack.Steps = stage.Holding("5m", 50)
	blueGreenBack.Bake, selectorBack.Bake = "5m", "5m"
	return []way{
		{name: "canary, promoted", plan: canary},
		{name: "canary, aborted at 50 %", plan: canaryBack, back: abortAt(50), code: 2},
		{name: "blue-green, promoted", plan: blueGreen},
		{name: "blue-green, switched back", plan: blueGreenBack, back: abortAt(100), code: 2},
		{name: "blue-green without a router, promoted", plan: stage.Quick{BlueGreen: " ", Selector: true}},
		{name: "blue-green without a router, switched back", plan: selectorBack, back: abortInBake, code: 2},
	}
}

// ways sends users through every way, and a rollback after it, and counts the requests that failed and the
// pods that were made.
func ways(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	var out []Figure
	slowest := float64(gatewayRate + serviceRate)
	for i, w := range everyWay() {
		shop, err := s.OpenShop(ctx, stage.ShopOptions{Namespace: fmt.Sprintf("way-%d", i), Rate: gatewayRate, NewConnections: true})
		if err != nil {
			return nil, err
		}
		total := tally{}
		for n := range runs {
			if err := total.run(ctx, shop, w, n); err != nil {
				shop.Close()
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
		}
		shop.Close()
		slowest = min(slowest, total.rate)
		out = append(out, Figure{w.name + ", failed requests in 5 runs", float64(total.failed), 0, "requests"})
		if w.back == nil {
			out = append(out,
				Figure{"rollback after it, failed requests in 5 runs", float64(total.failedBack), 0, "requests"},
				Figure{"pods made beyond the candidate's size", float64(total.pods), 0, "pods"})
		}
	}
	return append(out, Figure{"requests per second that were missing to 300", max(0, least-slowest), 0, "requests/s"}), nil
}

// tally is what the runs of one way have shown.
type tally struct {
	failed, failedBack, pods int
	// rate is the lowest that was seen, in requests per second.
	rate float64
}

// run goes one way, and back again where it ended promoted.
func (t *tally) run(ctx context.Context, shop *stage.Shop, w way, n int) error {
	image, err := shop.Stage.PutImage(fmt.Sprintf("v%d", n+2), nil)
	if err != nil {
		return err
	}
	pods, err := shop.CountPods(ctx)
	if err != nil {
		return err
	}
	failed, err := t.users(ctx, shop, func() error { return w.take(ctx, shop, image) })
	if err != nil {
		return err
	}
	t.failed += failed
	made := pods.Stop()
	if w.back != nil {
		return nil
	}
	t.pods += made - candidates
	failed, err = t.users(ctx, shop, func() error {
		said, err := shop.Stage.Slipway(ctx, "rollback", shop.Lane(), "--wait")
		if err != nil || said.Code != 0 {
			return fmt.Errorf("rollback: %w: %+v", err, said)
		}
		return nil
	})
	t.failedBack += failed
	return err
}

// candidates is how many pods a candidate of a shop has.
const candidates = 2

// users are there while something happens; it counts how many of their requests failed.
func (t *tally) users(ctx context.Context, shop *stage.Shop, while func() error) (int, error) {
	callers, err := shop.Callers(ctx, serviceRate)
	if err != nil {
		return 0, err
	}
	shop.Cut()
	err = while()
	inside, outside := callers.Stop(), load.Summarize(shop.Cut())
	rate := float64(inside.Requests)/inside.Seconds + float64(outside.Requests)/outside.Seconds
	if t.rate == 0 || rate < t.rate {
		t.rate = rate
	}
	for _, r := range []load.Report{inside, outside} {
		if r.Failed > 0 {
			fmt.Printf("%d of %d requests failed: %v, by version %v\n", r.Failed, r.Requests, r.Errors, r.FailedByVersion)
		}
	}
	return inside.Failed + outside.Failed, err
}

// take releases, takes it back where the way says so, and waits for the end.
func (w way) take(ctx context.Context, shop *stage.Shop, image string) error {
	end, err := begin(ctx, shop, w.plan, image)
	if err != nil {
		return err
	}
	if w.back != nil {
		if err := w.back(ctx, shop); err != nil {
			return err
		}
	}
	said, err := end()
	if err != nil || said.Code != w.code {
		return fmt.Errorf("release: %w: %+v", err, said)
	}
	return nil
}

// abortAt aborts once the route gives the candidate a share.
func abortAt(share int) func(context.Context, *stage.Shop) error {
	return func(ctx context.Context, shop *stage.Shop) error {
		began := time.Now()
		err := await(ctx, func(context.Context) error {
			if slices.Contains(shop.Route.Shares(began), share) {
				return nil
			}
			return errors.New("the candidate does not have its share yet")
		})
		if err != nil {
			return err
		}
		return tell(ctx, shop, "abort")
	}
}

// abortInBake aborts once the candidate answers a caller.
func abortInBake(ctx context.Context, shop *stage.Shop) error {
	err := await(ctx, func(ctx context.Context) error {
		return answeredBy(shop, func(version string) bool { return version != "v1" })
	})
	if err != nil {
		return err
	}
	return tell(ctx, shop, "abort")
}

// answeredBy looks for an answer of a version among the newest.
func answeredBy(shop *stage.Shop, wanted func(string) bool) error {
	for _, r := range shop.Results() {
		if r.Version != "" && wanted(r.Version) {
			return nil
		}
	}
	return errors.New("no such answer yet")
}

func tell(ctx context.Context, shop *stage.Shop, command string) error {
	said, err := shop.Stage.Slipway(ctx, command, shop.Lane(), "--reason", "measured")
	if err != nil || said.Code != 0 {
		return fmt.Errorf("%s: %w: %+v", command, err, said)
	}
	return nil
}
