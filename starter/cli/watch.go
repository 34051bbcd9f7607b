// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows"
)

// look is the pause between two looks at a release, wideLook that between two looks at what is around it.
const (
	look     = 250 * time.Millisecond
	wideLook = time.Second
)

func (a *app) watch() *cobra.Command {
	return &cobra.Command{
		Use: "watch ENVIRONMENT/NAME", Short: "Follow the newest release of a service to its end", Args: cobra.ExactArgs(1),
		Long: `Follow the newest release of a service to its end, and exit as it ends: 0 promoted, 1 failed, 2 undone.

On a terminal the picture is drawn over, and keys approve, pause, resume and abort. Elsewhere the story is written
line by line; with -o json every change is one line of JSON.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), args[0], func(c *client.Client, lane client.Lane) error {
				return a.follow(cmd.Context(), c, following{lane: lane, show: true})
			})
		},
	}
}

// following is whom to follow: the release of an ID, or where that is empty the newest one.
type following struct {
	lane client.Lane
	id   string
	show bool
}

// follow looks until the release has ended. A release outlives its watcher, its worker and a Temporal
// that is away for a while, so a look that fails is only tried again.
func (a *app) follow(ctx context.Context, c *client.Client, f following) error {
	d := &drawing{app: a, client: c, lane: f.lane, show: f.show}
	pressed, done, err := a.keys(f)
	if err != nil {
		return err
	}
	defer done()
	d.raw = pressed != nil
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		ended, err := d.look(ctx, f)
		if err != nil || ended {
			return errors.Join(err, d.end(ended))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped watching; the release goes on: %w", ctx.Err())
		case key := <-pressed:
			if d.press(ctx, key) {
				return fmt.Errorf("stopped watching; the release goes on: slipway watch %s", f.lane)
			}
		case <-tick.C:
		}
	}
}

// keys are those that somebody presses; nil where nobody can. Done gives the terminal back.
func (a *app) keys(f following) (<-chan byte, func(), error) {
	if !f.show || a.json || !a.Live || !a.Asks || a.Raw == nil {
		return nil, func() {}, nil
	}
	done, err := a.Raw()
	if err != nil {
		return nil, nil, fmt.Errorf("read keys: %w", err)
	}
	pressed := make(chan byte)
	// It ends with the program: a read of a terminal cannot be interrupted.
	go func() {
		var b [1]byte
		for {
			if n, err := a.In.Read(b[:]); err != nil || n == 0 {
				return
			}
			pressed <- b[0]
		}
	}()
	return pressed, done, nil
}

// drawing is what has been shown so far.
type drawing struct {
	*app
	client *client.Client
	lane   client.Lane
	show   bool
	// raw is true where a line needs a return to its beginning.
	raw   bool
	lines int
	told  time.Time
	// waits is what was said of a release that waits, written the last line of JSON.
	waits, written string

	frame view.Frame
	wide  time.Time
	pad   pad
}

// look asks how the release is, shows it, and reports whether it has ended.
func (d *drawing) look(ctx context.Context, f following) (bool, error) {
	s, place, err := d.client.Follow(ctx, f.lane, f.id)
	if _, lost := errors.AsType[*client.UnknownError](err); lost {
		return false, err
	}
	if err != nil {
		return false, nil //nolint:nilerr // it is tried again
	}
	d.frame.Status = s
	if place == nil && d.show && d.Live && !d.json {
		d.around(ctx)
	}
	if s.Phase.Ended() {
		d.frame.Present = nil
	}
	if err := d.draw(s, place); err != nil {
		return false, err
	}
	return place == nil && s.Phase.Ended(), nil
}

// around looks at the pods, at what is being done and at the messages, less often: they cost more. What cannot be seen is left out.
func (d *drawing) around(ctx context.Context) {
	if now := d.Now(); now.Sub(d.wide) >= wideLook || d.frame.Phase.Ended() {
		d.wide = now
		if sight, err := d.client.Sight(ctx, d.frame.Status); err == nil && len(sight.Workloads) > 0 {
			d.frame.Sight = sight
		}
		if present, err := d.client.Present(ctx, d.lane); err == nil {
			d.frame.Present = present
		}
		if messages, err := d.client.Messages(ctx, d.frame.Status); err == nil {
			d.frame.Dead = messages.Dead()
		}
	}
}

func (d *drawing) draw(s workflows.Status, waiting *workflows.Place) error {
	switch {
	case !d.show:
		return nil
	case d.json:
		return d.line(s, waiting)
	case waiting != nil:
		return d.wait(*waiting)
	case d.Live:
		return d.screen()
	}
	for _, l := range view.Lines(s, d.told) {
		if err := d.print("%s\n", l); err != nil {
			return err
		}
	}
	if n := len(s.Log); n > 0 {
		d.told = s.Log[n-1].At
	}
	return nil
}

// screen draws over what was drawn before.
func (d *drawing) screen() error {
	d.frame.Now, d.frame.Keys, d.frame.Said = d.Now(), d.raw, d.pad.says()
	var size view.Size
	if d.Size != nil {
		size.Width, size.Height = d.Size()
	}
	picture := view.Fit(d.frame, size)
	text := erase(d.lines) + picture
	if d.raw {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	d.lines = strings.Count(picture, "\n")
	return d.print("%s", text)
}

// line writes a change as one line of JSON.
func (d *drawing) line(s workflows.Status, waiting *workflows.Place) error {
	var v any = s
	if waiting != nil {
		v = waiting
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	if string(text) == d.written {
		return nil
	}
	d.written = string(text)
	return d.print("%s\n", text)
}

// press gives a key to the pad, carries out what it means, and reports whether it ends the watch.
func (d *drawing) press(ctx context.Context, key byte) bool {
	o, leave := d.pad.press(key, d.frame.Status)
	if o.command != "" {
		seen := d.frame.Status
		decided, err := d.client.Decide(ctx, client.Decision{
			Lane: d.lane, Command: o.command, Who: d.User, How: client.HowKey, Reason: o.reason, Seen: client.SeenIn(seen),
		})
		d.pad.said = o.command + ": accepted"
		switch {
		case err != nil:
			d.pad.said = err.Error()
		case decided.Queued:
			d.pad.said = o.command + ": kept until a worker answers"
		}
	}
	return leave
}

// wait says once why a release waits.
func (d *drawing) wait(p workflows.Place) error {
	text := fmt.Sprintf("%s waits at place %d: %s", p.ID, p.Position, p.Reason)
	if text == d.waits {
		return nil
	}
	d.waits = text
	end := "\n"
	if d.raw {
		end = "\r\n"
	}
	return d.print("%s%s", text, end)
}

// end says how it ended, where the picture does not, and is the exit code.
func (d *drawing) end(ended bool) error {
	if !ended {
		return nil
	}
	s := d.frame.Status
	var err error
	switch {
	case d.json && d.show: // the last line was it
	case d.json:
		err = d.encode(s)
	case !d.show || !d.Live:
		err = d.print("%s %s: %s\n", s.ID, s.Phase, s.Outcome)
	}
	if err != nil {
		return err
	}
	return code(s.Phase)
}

// code is an end as the exit code tells it.
func code(p workflows.Phase) error {
	if p == workflows.Promoted {
		return nil
	}
	if p == workflows.Undone || p == workflows.Superseded {
		return ended{exitUndone}
	}
	return ended{exitFailed}
}

// erase moves up over what was drawn and clears to the end of the screen.
func erase(lines int) string {
	if lines == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\x1b[J", lines)
}
