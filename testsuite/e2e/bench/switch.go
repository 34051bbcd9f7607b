// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
	"github.com/slipwayhq/slipway/workflows"
)

// returns is how often a way back is measured.
const returns = 30

// switches measures how fast users change sides: from the start of a command to the end of the last
// request that the other side answered, with a new connection for every request.
func switches(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	shop, err := s.OpenShop(ctx, stage.ShopOptions{Namespace: "switch", NewConnections: true})
	if err != nil {
		return nil, err
	}
	defer shop.Close()
	var over, back []float64
	for i := range returns {
		there, home, err := thereAndBack(ctx, shop, i)
		if err != nil {
			return nil, err
		}
		fmt.Printf("switch %d of %d: there %.2f s, back %.2f s\n", i+1, returns, there.Seconds(), home.Seconds())
		over, back = append(over, there.Seconds()), append(back, home.Seconds())
	}
	slices.Sort(over)
	slices.Sort(back)
	return []Figure{
		{"blue-green switch: approval to the old version's last answer, slowest of 30", over[returns-1], .6, "s"},
		{"blue-green switch back: abort to the new version's last answer, slowest of 30", back[returns-1], .6, "s"},
		{"the same, median", back[returns/2], .3, "s"},
	}, nil
}

// thereAndBack switches over by an approval, and back by an abort. It needs an image of its own: one that was
// aborted is in quarantine.
func thereAndBack(ctx context.Context, shop *stage.Shop, try int) (there, home time.Duration, err error) {
	image, err := shop.Stage.PutImage("candidate", map[string]string{"TRY": strconv.Itoa(try)})
	if err != nil {
		return 0, 0, err
	}
	end, err := begin(ctx, shop, stage.Quick{BlueGreen: "gate: {within: 5m}", Bake: "5m"}, image)
	if err != nil {
		return 0, 0, err
	}
	shop.Cut()
	decided, err := approve(ctx, shop, 1)
	if err != nil {
		return 0, 0, err
	}
	if err := await(ctx, func(context.Context) error { return settledOn(shop, "candidate") }); err != nil {
		return 0, 0, err
	}
	there = lastAnswer(shop.Cut(), "v1", decided)
	decided = time.Now()
	if err := tell(ctx, shop, "abort"); err != nil {
		return 0, 0, err
	}
	if said, err := end(); err != nil || said.Code != 2 {
		return 0, 0, fmt.Errorf("release: %w: %+v", err, said)
	}
	return there, lastAnswer(shop.Cut(), "candidate", decided), nil
}

// approve answers the gate of a step once it asks, and returns when the command began.
func approve(ctx context.Context, shop *stage.Shop, step int) (time.Time, error) {
	if err := await(ctx, func(ctx context.Context) error { return asksAt(ctx, shop, step) }); err != nil {
		return time.Time{}, err
	}
	began := time.Now()
	return began, tell(ctx, shop, "approve")
}

// asksAt wants people to be asked at a step. To look costs no history, while each answer to nothing may.
func asksAt(ctx context.Context, shop *stage.Shop, step int) error {
	said, err := shop.Stage.Slipway(ctx, "status", shop.Lane(), "-o", "json")
	if err != nil {
		return err
	}
	var s workflows.Status
	if err := json.Unmarshal([]byte(said.Out), &s); err != nil {
		return fmt.Errorf("read status: %w: %s", err, said.Err)
	}
	if s.Step != step || s.Asks == nil {
		return fmt.Errorf("nobody is asked at step %d yet", step)
	}
	return nil
}

// settledOn wants the newest 100 answers to be of one version.
func settledOn(shop *stage.Shop, version string) error {
	all := shop.Results()
	const enough = 100
	if len(all) < enough || slices.ContainsFunc(all[len(all)-enough:], func(r load.Result) bool { return r.Version != version }) {
		return fmt.Errorf("not every answer is of %s yet", version)
	}
	return nil
}

// lastAnswer is how long after began a version has answered.
func lastAnswer(results []load.Result, version string, began time.Time) time.Duration {
	last := began
	for _, r := range results {
		if r.Version == version && r.Answered().After(last) {
			last = r.Answered()
		}
	}
	return last.Sub(began)
}

// starts measures from the start of the command to the first request that the candidate answers, with
// pods that are ready at once.
func starts(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	shop, err := s.OpenShop(ctx, stage.ShopOptions{Namespace: "start", NewConnections: true})
	if err != nil {
		return nil, err
	}
	defer shop.Close()
	var slowest time.Duration
	for n := range runs {
		took, err := start(ctx, shop, fmt.Sprintf("v%d", n+2))
		if err != nil {
			return nil, err
		}
		slowest = max(slowest, took)
	}
	return []Figure{{"release command to the candidate's first answer, slowest of 5", slowest.Seconds(), 3, "s"}}, nil
}

func start(ctx context.Context, shop *stage.Shop, version string) (time.Duration, error) {
	image, err := shop.Stage.PutImage(version, nil)
	if err != nil {
		return 0, err
	}
	shop.Cut()
	began := time.Now()
	end, err := begin(ctx, shop, stage.Quick{Steps: stage.Holding("2s", 50)}, image)
	if err != nil {
		return 0, err
	}
	if said, err := end(); err != nil || said.Code != 0 {
		return 0, fmt.Errorf("release: %w: %+v", err, said)
	}
	for _, r := range shop.Cut() {
		if r.Version == version {
			return r.Answered().Sub(began), nil
		}
	}
	return 0, fmt.Errorf("%s has answered nothing", version)
}
