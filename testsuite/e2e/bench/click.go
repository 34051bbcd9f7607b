// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/fakeslack"
)

// gates of one release that are opened one after the other; a plan has 50 steps at most.
const (
	someGates = 20
	allGates  = 50
	// firstWeight is enough for a verdict in a second.
	firstWeight = 10
)

// approvals measures from the moment at which Slack sends a signed click to the moment at which the route has the next
// weight: verified, looked up, signed, verified by the worker, and written.
func approvals(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	took, err := clicks(ctx, s, 1, someGates)
	if err != nil {
		return nil, err
	}
	return []Figure{
		{"click in Slack to the next weight in the route, slowest of 20", took[len(took)-1], 1, "s"},
		{"the same, median", took[len(took)/2], 1, "s"},
	}, nil
}

// manyApprovals measures enough of them for a percentile.
func manyApprovals(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	took, err := clicks(ctx, s, 2, allGates)
	if err != nil {
		return nil, err
	}
	return []Figure{
		{fmt.Sprintf("click in Slack to the next weight in the route, p99 of %d", len(took)), took[(len(took)*99+99)/100-1], 1, "s"},
		{"the same, median", took[len(took)/2], 1, "s"},
	}, nil
}

// clicks opens every gate of some releases, and returns how long each click took in seconds, the fastest first.
func clicks(ctx context.Context, s *stage.Stage, releases, gates int) ([]float64, error) {
	a, err := openApprover(ctx, s, "click")
	if err != nil {
		return nil, err
	}
	defer a.close()
	var took []float64
	for try := range releases {
		// An image of its own: the former one serves already.
		image, err := s.PutImage("candidate", map[string]string{"CLICK": strconv.Itoa(try)})
		if err != nil {
			return nil, err
		}
		a.release, a.answered = try, ""
		some, err := clickThrough(ctx, a, image, gates)
		if err != nil {
			return nil, err
		}
		took = append(took, some...)
	}
	slices.Sort(took)
	return took, nil
}

// clickThrough releases an image whose every step has a gate.
func clickThrough(ctx context.Context, a *approver, image string, gates int) ([]float64, error) {
	var steps []string
	for i := range gates {
		steps = append(steps, gated(firstWeight+i))
	}
	end, err := begin(ctx, a.shop, stage.Quick{Steps: steps}, image)
	if err != nil {
		return nil, err
	}
	var took []float64
	for i := range gates {
		next := firstWeight + i + 1
		if i == gates-1 {
			next = 100
		}
		one, err := a.click(ctx, next)
		if err != nil {
			return nil, fmt.Errorf("gate %d: %w", i+1, err)
		}
		took = append(took, one.Seconds())
	}
	if said, err := end(); err != nil || said.Code != 0 {
		return nil, fmt.Errorf("release: %w: %+v", err, said)
	}
	return took, nil
}

// approver clicks what a release asks in Slack.
type approver struct {
	shop  *stage.Shop
	slack *stage.Slack
	// release counts from 0; answered is the button of the question that was answered last.
	release  int
	answered string
}

// openApprover opens a shop and a workspace.
func openApprover(ctx context.Context, s *stage.Stage, namespace string) (*approver, error) {
	shop, err := s.OpenShop(ctx, stage.ShopOptions{Namespace: namespace})
	if err != nil {
		return nil, err
	}
	w, err := s.OpenSlack(ctx)
	if err != nil {
		shop.Close()
		return nil, err
	}
	return &approver{shop: shop, slack: w}, nil
}

func (a *approver) close() {
	_ = a.slack.Close()
	a.shop.Close()
}

// gated is a step that people must let go on.
func gated(weight int) string {
	return fmt.Sprintf(`{weight: %d, hold: 1s, gate: {approvers: ["@team-checkout"], within: 5m}}`, weight)
}

// question waits for one that was not answered yet.
func (a *approver) question(ctx context.Context) (fakeslack.Message, error) {
	var asked fakeslack.Message
	err := await(ctx, func(context.Context) error {
		all := a.slack.Of(a.shop)
		if len(all) != a.release+1 {
			return errors.New("the release is not shown yet")
		}
		asked = all[a.release]
		if button := asked.Buttons()["slipway_approve"]; button == "" || button == a.answered {
			return errors.New("the question is not shown yet")
		}
		return nil
	})
	a.answered = asked.Buttons()["slipway_approve"]
	return asked, err
}

// click approves, and returns how long it took until the candidate had its next weight.
func (a *approver) click(ctx context.Context, next int) (time.Duration, error) {
	asked, err := a.question(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := a.slack.Click("U0ANN", asked, "slipway_approve").Send(ctx); err != nil {
		return 0, fmt.Errorf("click: %w", err)
	}
	var took time.Duration
	err = await(ctx, func(context.Context) error {
		for _, seen := range a.shop.Route.Since(began) {
			if seen.Candidate == next {
				took = seen.At.Sub(began)
				return nil
			}
		}
		return fmt.Errorf("the weight is not %d yet", next)
	})
	return took, err
}

// crowdSize is how many people click at once.
const crowdSize = 50

// crowd lets many people approve one question at the same moment.
func crowd(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	a, err := openApprover(ctx, s, "crowd")
	if err != nil {
		return nil, err
	}
	defer a.close()
	var users []string
	for i := range crowdSize {
		users = append(users, fmt.Sprintf("U9N%d", i))
		a.slack.AddUser(fakeslack.User{ID: users[i]})
	}
	a.slack.SetGroup("S0TEAM", users...)
	image, err := s.PutImage("v2", nil)
	if err != nil {
		return nil, err
	}
	end, err := begin(ctx, a.shop, stage.Quick{Steps: []string{gated(10)}}, image)
	if err != nil {
		return nil, err
	}
	asked, err := a.question(ctx)
	if err != nil {
		return nil, err
	}
	accepted, err := together(ctx, a.slack, asked, users)
	if err != nil {
		return nil, err
	}
	if said, err := end(); err != nil || said.Code != 0 || accepted == 0 {
		return nil, fmt.Errorf("release, %d clicks accepted: %w: %+v", accepted, err, said)
	}
	return []Figure{{"50 clicks at once: decisions", float64(accepted), 1, "decisions"}}, nil
}

// together sends a click of everybody at once, and counts those who are told that theirs is accepted.
func together(ctx context.Context, w *stage.Slack, asked fakeslack.Message, users []string) (int, error) {
	var wait sync.WaitGroup
	errs := make([]error, len(users))
	for i, user := range users {
		wait.Go(func() { _, errs[i] = w.Click(user, asked, "slipway_approve").Send(ctx) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	accepted := 0
	for _, user := range users {
		err := await(ctx, func(context.Context) error {
			if len(w.Whispers(user)) == 0 {
				return fmt.Errorf("%s was told nothing", user)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		if strings.Contains(w.Whispers(user)[0].Text, "is accepted") {
			accepted++
		}
	}
	return accepted, nil
}
