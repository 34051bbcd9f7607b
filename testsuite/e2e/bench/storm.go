// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/fakegithub"
)

// A storm is so many deliveries of one event in so long.
const (
	stormSize    = 10_000
	stormFor     = time.Minute
	stormSecret  = "the secret of the storm's webhook"
	stormTrigger = "  triggers:\n    - {sender: github, repository: acme/shop, branch: main, workflow: build.yml, image: 'registry.sandbox/shop:{commit}'}\n"
)

// storm delivers one event again and again, and counts what comes of it.
func storm(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	shop, err := s.OpenShop(ctx, stage.ShopOptions{Namespace: "storm", Rate: 50})
	if err != nil {
		return nil, err
	}
	defer shop.Close()
	server, err := stormServer(ctx, shop)
	if err != nil {
		return nil, err
	}
	defer func() { _ = server.Kill() }()
	body, err := stormEvent(s)
	if err != nil {
		return nil, err
	}
	before, err := residentMB(server.Pid())
	if err != nil {
		return nil, err
	}
	blown := blow(ctx, server.URL+"/webhooks/github", body)
	after, err := residentMB(server.Pid())
	if err != nil {
		return nil, err
	}
	released, err := releases(ctx, shop)
	if err != nil {
		return nil, err
	}
	slices.Sort(blown.took)
	const mebibyte = 1.048576
	return []Figure{
		{"10,000 deliveries of one event in 60 s: releases", float64(released), 1, "releases"},
		{"deliveries that were not answered with 202", float64(blown.failed), 0, "deliveries"},
		{"answer to a delivery, p99", blown.took[len(blown.took)*99/100], 500, "ms"},
		{"answer to a delivery, median", blown.took[len(blown.took)/2], 500, "ms"},
		{"memory of the server (RSS) after it, more than before", (after - before) / mebibyte, 64, "MiB"},
	}, nil
}

func stormServer(ctx context.Context, shop *stage.Shop) (*stage.Server, error) {
	file, err := shop.Plan(stage.Quick{Steps: stage.Holding("10m", 10)})
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	return shop.Stage.StartServer(ctx, stage.ServerOptions{
		Plans: map[string]string{"shop.yaml": string(text) + stormTrigger}, Secrets: map[string]string{"github": stormSecret},
		Env: map[string]string{"SLIPWAY_SENDERS": "github", "SLIPWAY_LOG_LEVEL": "warn"},
	})
}

// stormEvent is a workflow of GitHub that has built an image.
func stormEvent(s *stage.Stage) ([]byte, error) {
	image, err := s.PutImage("v2", nil)
	if err != nil {
		return nil, err
	}
	commit := strings.Repeat("c", 40)
	s.Registry.Tag(image, commit)
	at := time.Now().UTC().Format(time.RFC3339)
	return []byte(`{"action": "completed", "workflow_run": {"id": 99, "run_attempt": 1, "name": "Build", "path": ".github/workflows/build.yml",
		"head_branch": "main", "head_sha": "` + commit + `", "event": "push", "conclusion": "success", "run_started_at": "` + at + `", "updated_at": "` + at + `",
		"head_repository": {"id": 7}}, "repository": {"id": 7, "full_name": "acme/shop", "owner": {"id": 3}}, "sender": {"login": "grace"}}`), nil
}

// blown is what has come of a storm: the times in ms, and what was not answered as it should be.
type blown struct {
	mu     sync.Mutex
	took   []float64
	failed int
}

// blow sends each delivery at its time, whether or not the ones before were answered.
func blow(ctx context.Context, url string, body []byte) *blown {
	b := &blown{}
	signature := "sha256=" + fakegithub.Sign(stormSecret, body)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 10 * time.Second}
	pause := time.NewTicker(stormFor / stormSize)
	defer pause.Stop()
	var wait sync.WaitGroup
	for range stormSize {
		<-pause.C
		wait.Go(func() {
			began := time.Now()
			err := one(ctx, client, url, body, signature)
			took := float64(time.Since(began).Microseconds()) / 1000
			b.mu.Lock()
			defer b.mu.Unlock()
			b.took = append(b.took, took)
			if err != nil {
				b.failed++
			}
		})
	}
	wait.Wait()
	return b
}

func one(ctx context.Context, client *http.Client, url string, body []byte, signature string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "workflow_run")
	req.Header.Set("X-Hub-Signature-256", signature)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusAccepted {
		err = errors.Join(err, errors.New(resp.Status))
	}
	return errors.Join(err, resp.Body.Close())
}

// releases counts those of a shop once one has begun.
func releases(ctx context.Context, shop *stage.Shop) (int, error) {
	found := 0
	err := await(ctx, func(ctx context.Context) error {
		said, err := shop.Stage.Slipway(ctx, "history", shop.Lane(), "-o", "json")
		if err != nil {
			return err
		}
		if found = strings.Count(said.Out, `"id":`); found == 0 {
			return errors.New("no release has begun")
		}
		return nil
	})
	return found, err
}
