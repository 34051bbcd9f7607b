// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server/slack/payload"
)

const (
	// workers is how many clicks are worked on at once, waiting how many more are kept. Forms have workers of their
	// own: Slack lets one be opened for 3 seconds only.
	workers = 16
	openers = 4
	waiting = 256
	// workWithin bounds the work for one click.
	workWithin = 40 * time.Second
)

// App is the Slack part of a server.
type App struct {
	config   Config
	api      *slackapi.Client
	releases releases
	people   *directory
	board    *board
	verifier payload.Verifier
	log      *slog.Logger
	now      func() time.Time

	work, forms chan click
	nudge       chan struct{}
	// door is open while clicks are taken over; whoever closes it holds the lock.
	door struct {
		sync.RWMutex
		open bool
	}
	// quiet is until when Slack wants to be left alone; only follow uses it.
	quiet time.Time
}

// Options of an App.
type Options struct {
	Config Config
	// Releases sign with the configuration's key.
	Releases *client.Client
	Log      *slog.Logger
	Now      func() time.Time
}

// New makes an App that does nothing until Run.
func New(o Options) *App {
	a := newApp(o)
	a.releases = o.Releases.SignWith(o.Config.Key)
	return a
}

func newApp(o Options) *App {
	c := o.Config
	options := []slackapi.Option{
		slackapi.OptionAPIURL(c.API), slackapi.OptionAppLevelToken(string(c.AppToken)),
		slackapi.OptionHTTPClient(&http.Client{Timeout: callWithin}),
	}
	api := slackapi.New(string(c.BotToken), options...)
	return &App{
		config: c, api: api, log: o.Log, now: o.Now,
		people: &directory{
			api: api, names: c.names, now: o.Now, log: o.Log,
			users: map[string]memory[*slackapi.User]{}, groups: map[string]memory[[]string]{},
		},
		board:    &board{api: api, channels: c.Channels, names: c.names, ui: c.UI, now: o.Now, posts: map[string]*post{}},
		verifier: payload.Verifier{Secret: c.SigningSecret, Now: o.Now},
		work:     make(chan click, waiting), forms: make(chan click, waiting), nudge: make(chan struct{}, 1),
	}
}

// Run shows releases and works on clicks until ctx is done, and then ends what it has begun. Its error is one that
// waiting does not heal, such as a token that Slack refuses.
func (a *App) Run(ctx context.Context) error {
	if err := a.introduce(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	for range workers {
		group.Go(func() { a.labour(ctx, a.work) })
	}
	for range openers {
		group.Go(func() { a.labour(ctx, a.forms) })
	}
	group.Go(func() { a.follow(ctx) })
	a.opens()
	defer a.closes()
	defer cancel()
	if a.config.AppToken != "" {
		return a.listen(ctx)
	}
	<-ctx.Done()
	return nil
}

// opens lets clicks in.
func (a *App) opens() {
	a.door.Lock()
	defer a.door.Unlock()
	a.door.open = true
}

// closes lets no more in; those that are in are worked on.
func (a *App) closes() {
	a.door.Lock()
	defer a.door.Unlock()
	a.door.open = false
	close(a.work)
	close(a.forms)
}

// Ready reports whether clicks are worked on.
func (a *App) Ready() bool {
	a.door.RLock()
	defer a.door.RUnlock()
	return a.door.open
}

// introduce finds out which workspace the app is of. While Slack is away it tries again.
func (a *App) introduce(ctx context.Context) error {
	for {
		me, err := a.api.AuthTestContext(ctx)
		if err == nil {
			a.people.team = me.TeamID
			a.log.Info("slack connected", "team", me.TeamID)
			return nil
		}
		if answer, ok := errors.AsType[slackapi.SlackErrorResponse](err); ok {
			return fmt.Errorf("introduce the app to Slack: %w; check SLIPWAY_SLACK_BOT_TOKEN", answer)
		}
		a.log.Warn("slack did not answer", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(a.config.Every): //nolint:forbidigo // it waits for a real Slack
		}
	}
}

// labour works on clicks until no more can come. The end of the program does not cut one.
func (a *App) labour(ctx context.Context, clicks <-chan click) {
	for c := range clicks {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workWithin)
		a.act(ctx, c)
		cancel()
	}
}

// accept takes a click over, or reports that there is no room: whoever clicked must hear that.
func (a *App) accept(c *click) bool {
	if c == nil {
		return true // none of ours
	}
	a.door.RLock()
	defer a.door.RUnlock()
	if !a.door.open {
		return false
	}
	queue := a.work
	if c.asks {
		queue = a.forms
	}
	select {
	case queue <- *c:
		return true
	default:
		return false
	}
}
