// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/testsuite/fakeslack"
	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

// Slack is a workspace, and `slipway slack` beside it, as somebody would run it.
type Slack struct {
	*fakeslack.Slack
	// Log is a file.
	Log string

	stage *Stage
	// people is a file.
	people string
	cmd    *exec.Cmd
	done   chan error
}

// people of the workspace by the names that plans know, and the one group that some of them are in.
const people = `people: {ada: U0ADA, ann: U0ANN, bob: U0BOB, "github:grace": U0GRACE}
groups: {"@team-checkout": S0TEAM}
`

// OpenSlack opens a workspace and returns when `slipway slack` is ready.
func (s *Stage) OpenSlack(ctx context.Context) (*Slack, error) {
	w, err := s.OpenWorkspace()
	if err != nil {
		return nil, err
	}
	if err := w.Start(ctx); err != nil {
		w.Slack.Close()
		return nil, err
	}
	return w, nil
}

// OpenWorkspace opens a workspace without a program, for a server that has Slack as one of its parts.
func (s *Stage) OpenWorkspace() (*Slack, error) {
	w := &Slack{Log: filepath.Join(s.Logs, "slack.log"), stage: s, people: filepath.Join(s.Dir, "people.yaml")}
	if err := os.WriteFile(w.people, []byte(people), 0o644); err != nil {
		return nil, fmt.Errorf("write people: %w", err)
	}
	w.Slack = fakeslack.Start()
	for _, id := range []string{"U0ADA", "U0ANN", "U0BOB", "U0EVE", "U0GRACE"} {
		w.AddUser(fakeslack.User{ID: id})
	}
	w.SetGroup("S0TEAM", "U0ADA", "U0ANN", "U0GRACE")
	return w, nil
}

// Env is what a program is told to serve the workspace.
func (w *Slack) Env() map[string]string {
	return map[string]string{
		"SLIPWAY_APPROVAL_KEY": w.stage.Key.Reveal(), "SLIPWAY_SLACK_EVERY": "500ms",
		"SLIPWAY_SLACK_BOT_TOKEN": fakeslack.BotToken, "SLIPWAY_SLACK_SIGNING_SECRET": fakeslack.SigningSecret,
		"SLIPWAY_SLACK_CHANNELS": "test=" + fakeslack.Channel, "SLIPWAY_SLACK_PEOPLE": w.people, "SLIPWAY_SLACK_API_URL": w.API(),
	}
}

// Start starts the program. It knows nothing of what was before.
func (w *Slack) Start(ctx context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(w.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open Slack's log: %w", err)
	}
	defer func() { _ = log.Close() }() // the program has its own copy
	w.cmd, w.done = exec.Command(filepath.Join(w.stage.Bin, "slipway"), "slack", "--listen", address), make(chan error, 1)
	environment := w.Env()
	environment["TEMPORAL_ADDRESS"] = w.stage.Temporal
	w.cmd.Env = pairs(environment)
	w.cmd.Stdout, w.cmd.Stderr = log, log
	if err := sandbox.StartTied(w.cmd, w.done); err != nil {
		return fmt.Errorf("start slipway slack: %w", err)
	}
	w.Interactions = "http://" + address
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	err = Await(ctx, func(ctx context.Context) error {
		if len(w.done) > 0 {
			return fmt.Errorf("slipway slack has ended; see %s", w.Log)
		}
		_, err := get(ctx, w.Interactions+"/readyz")
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for slipway slack: %w (its log: %s)", err, w.Log)
	}
	return nil
}

// Of are the messages of a shop's releases, oldest first. Other shops' are shown beside them.
func (w *Slack) Of(p *Shop) []fakeslack.Message {
	return slices.DeleteFunc(w.Messages(), func(m fakeslack.Message) bool { return !strings.Contains(m.Shown(), "*"+p.Name+"* in ") })
}

// Kill sends SIGKILL to the program and returns when it is dead.
func (w *Slack) Kill() error {
	if err := w.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill slipway slack: %w", err)
	}
	<-w.done //nolint:errcheck // killed: it says so
	return nil
}

// Close ends the workspace, and the program where it was started.
func (w *Slack) Close() error {
	defer w.Slack.Close()
	if w.cmd == nil {
		return nil
	}
	return w.Kill()
}
