// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"context"
	"errors"
	"time"

	slackapi "github.com/slack-go/slack"
	"golang.org/x/time/rate"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/workflows"
)

const (
	// lookBack is how long a release is shown that ended while nobody looked.
	lookBack = 15 * time.Minute
	// perSecond bounds how often releases are asked how they are, in all.
	perSecond = 20
	// callWithin bounds one round for one release.
	callWithin = 20 * time.Second
)

// releases is where they are found.
type releases interface {
	Recent(ctx context.Context, since time.Time) ([]client.Found, error)
	StatusOf(ctx context.Context, s client.Found) (workflows.Status, error)
	Status(ctx context.Context, l client.Lane) (workflows.Status, error)
	Decide(ctx context.Context, d client.Decision) (client.Decided, error)
}

// follow looks at all releases again and again until ctx is done. What fails is tried again at the next look, and
// holds up nobody but this loop.
func (a *App) follow(ctx context.Context) {
	limit := rate.NewLimiter(perSecond, perSecond)
	ended := map[string]bool{}
	for {
		ended = a.round(ctx, limit, ended)
		select {
		case <-ctx.Done():
			return
		case <-a.nudge:
		case <-time.After(a.config.Every): //nolint:forbidigo // it follows real releases
		}
		if wait := a.quiet.Sub(a.now()); wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait): //nolint:forbidigo // Slack has said how long
			}
		}
	}
}

// round shows every release once, and returns those that need no further look.
func (a *App) round(ctx context.Context, limit *rate.Limiter, ended map[string]bool) map[string]bool {
	all, err := a.releases.Recent(ctx, a.now().Add(-lookBack))
	if err != nil {
		a.complain(ctx, "releases were not listed", err)
		return ended
	}
	still, posts := map[string]bool{}, map[string]*post{}
	for _, s := range all {
		if p := a.board.posts[s.ID]; p != nil {
			posts[s.ID] = p
		}
	}
	a.board.posts = posts // what is no longer listed is forgotten
	for _, s := range all {
		if ended[s.ID] {
			still[s.ID] = true
			continue
		}
		if limit.Wait(ctx) != nil {
			return ended
		}
		switch over, err := a.showOne(ctx, s); {
		case err != nil:
			a.complain(ctx, "release was not shown", err)
		case over:
			still[s.ID] = true
		}
		if a.quiet.After(a.now()) {
			return still
		}
	}
	return still
}

// showOne reports whether the release has ended, and was shown so.
func (a *App) showOne(ctx context.Context, s client.Found) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	status, err := a.releases.StatusOf(ctx, s)
	if err != nil {
		return false, err
	}
	if !s.Ended.IsZero() && !status.Phase.Ended() {
		// It was terminated: its own last word is older.
		status.Phase, status.Outcome, status.Asks = workflows.NeedsPerson, "its workflow was ended by force: `slipway rescue` restores the safe state", nil
	}
	return status.Phase.Ended(), a.board.show(ctx, status)
}

// complain logs, and keeps still for as long as Slack has asked for.
func (a *App) complain(ctx context.Context, event string, err error) {
	if ctx.Err() != nil {
		return
	}
	if limited, ok := errors.AsType[*slackapi.RateLimitedError](err); ok {
		a.quiet = a.now().Add(limited.RetryAfter)
	}
	a.log.Warn(event, "error", err)
}
