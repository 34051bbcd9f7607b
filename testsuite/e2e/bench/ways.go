// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/activities/cluster"
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
	// plan writes the plan by which a version is released.
	plan func(shop *stage.Shop, version string) (string, error)
	// back takes it back in the middle; nil lets it finish.
	back func(context.Context, *stage.Shop) error
	code int
	// shared: the pods carry the label by which one Service selects both tracks.
	shared bool
	// home is the command that brings the former version back once it has finished; nil: that is another way's.
	home func(shop *stage.Shop, plan string) []string
}

// everyWay is each strategy forward, and back from where most users are on the candidate.
func everyWay() []way {
	canary, pods, blueGreen := stage.Quick{Steps: stage.Holding("2s", 10, 50)}, stage.Quick{Replicas: true, Steps: stage.Holding("2s", 50)}, stage.Quick{BlueGreen: " "}
	canaryBack, podsBack, blueGreenBack, selectorBack := canary, pods, blueGreen, stage.Quick{BlueGreen: " ", Selector: true}
	canaryBack.Steps, podsBack.Steps = stage.Holding("5m", 50), stage.Holding("5m", 50)
	blueGreenBack.Bake, selectorBack.Bake = "5m", "5m"
	return []way{
		{name: "canary, promoted", plan: by(canary), home: rollback},
		{name: "canary, aborted at 50 %", plan: by(canaryBack), back: abortAt(50), code: 2},
		{name: "canary by pods, promoted", plan: by(pods), shared: true},
		{name: "canary by pods, aborted at half of them", plan: by(podsBack), back: abortOnceAnswered, code: 2, shared: true},
		{name: "blue-green, promoted", plan: by(blueGreen), home: rollback},
		{name: "blue-green, switched back", plan: by(blueGreenBack), back: abortAt(100), code: 2},
		{name: "blue-green without a router, promoted", plan: by(stage.Quick{BlueGreen: " ", Selector: true}), home: rollback},
		{name: "blue-green without a router, switched back", plan: by(selectorBack), back: abortOnceAnswered, code: 2},
		{name: "rolling, promoted", plan: rolling, home: undo},
		{name: "rolling, aborted in its first batch", plan: rolling, back: abortOnceAnswered, code: 2},
	}
}

func by(q stage.Quick) func(*stage.Shop, string) (string, error) {
	return func(shop *stage.Shop, _ string) (string, error) { return shop.Plan(q) }
}

func rolling(shop *stage.Shop, version string) (string, error) {
	return shop.RollingPlan(version, "30s")
}

func rollback(shop *stage.Shop, _ string) []string {
	return []string{"rollback", shop.Lane(), "--wait"}
}

func undo(_ *stage.Shop, plan string) []string { return []string{"undo", "-f", plan, "--wait"} }

// ways sends users through every way whose name contains a text, and back after it, and counts the requests that
// failed and the pods that were made.
func ways(ctx context.Context, s *stage.Stage, named string) ([]Figure, error) {
	var out []Figure
	slowest := float64(gatewayRate + serviceRate)
	for i, w := range everyWay() {
		if !strings.Contains(w.name, named) {
			continue
		}
		o := stage.ShopOptions{Namespace: fmt.Sprintf("way-%d", i), Rate: gatewayRate, NewConnections: true}
		if w.shared {
			o.Labels = map[string]string{cluster.LabelService: o.Namespace}
		}
		shop, err := s.OpenShop(ctx, o)
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
		fmt.Printf("%s: never below %.0f requests/s\n", w.name, total.rate)
		slowest = min(slowest, total.rate)
		out = append(out, Figure{w.name + ", failed requests in 5 runs", float64(total.failed), 0, "requests"})
		if w.back == nil {
			out = append(out, Figure{"pods made for it beyond the candidate's size", float64(total.pods), 0, "pods"})
		}
		if w.home != nil {
			out = append(out, Figure{"way back after it, failed requests in 5 runs", float64(total.failedBack), 0, "requests"})
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return append(out, Figure{"requests per second that were missing to 300", max(0, least-slowest), 0, "requests/s"}), nil
}

// tally is what the runs of one way have shown.
type tally struct {
	failed, failedBack, pods int
	// rate is the lowest that was seen, in requests per second.
	rate float64
}

// run goes one way, and back again where that belongs to it.
func (t *tally) run(ctx context.Context, shop *stage.Shop, w way, n int) error {
	version := fmt.Sprintf("v%d", n+2)
	image, err := shop.Stage.PutImage(version, nil)
	if err != nil {
		return err
	}
	plan, err := w.plan(shop, version)
	if err != nil {
		return err
	}
	pods, err := shop.CountPods(ctx)
	if err != nil {
		return err
	}
	failed, err := t.users(ctx, shop, func() error { return w.take(ctx, shop, plan, image) })
	t.failed += failed
	made := pods.Stop()
	if err != nil {
		return err
	}
	if w.back == nil {
		t.pods += max(0, made-candidates)
	}
	if w.home == nil {
		return nil
	}
	failed, err = t.users(ctx, shop, func() error {
		command := w.home(shop, plan)
		said, err := shop.Stage.Slipway(ctx, command...)
		if err != nil || said.Code != 0 {
			return fmt.Errorf("%s: %w: %+v", command[0], err, said)
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
func (w way) take(ctx context.Context, shop *stage.Shop, plan, image string) error {
	end := beginBy(ctx, shop, plan, image)
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

// abortOnceAnswered aborts once the candidate answers a caller.
func abortOnceAnswered(ctx context.Context, shop *stage.Shop) error {
	err := await(ctx, func(context.Context) error {
		if slices.ContainsFunc(shop.Results(), func(r load.Result) bool { return r.Version != "" && r.Version != "v1" }) {
			return nil
		}
		return errors.New("no such answer yet")
	})
	if err != nil {
		return err
	}
	return tell(ctx, shop, "abort")
}

func tell(ctx context.Context, shop *stage.Shop, command string) error {
	said, err := shop.Stage.Slipway(ctx, command, shop.Lane(), "--reason", "measured")
	if err != nil || said.Code != 0 {
		return fmt.Errorf("%s: %w: %+v", command, err, said)
	}
	return nil
}
