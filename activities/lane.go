// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
)

// What workflows are called and hear, where activities must find them. Package workflows has the rest.
const (
	// EnvironmentWorkflow answers EnvironmentQuery, and knows the lanes that have said JoinUpdate.
	EnvironmentWorkflow = "Environment"
	EnvironmentQuery    = "environment"
	JoinUpdate          = "join"
	// HoldsSignal brings a lane what holds its environment, and a release what holds it.
	HoldsSignal = "holds"
	// The memo of a release.
	MemoID    = "id"
	MemoImage = "image"
	MemoBy    = "requestedBy"
)

// EnvironmentID is the workflow ID of an environment. No release and no lane has it: theirs are made of
// DNS labels, and "*" is none.
func EnvironmentID(environment string) string { return "lane/" + environment + "/*" }

// Found is the newest release of a lane, as Temporal knows it. The zero value is: there was never one.
type Found struct {
	// Run is Temporal's name of it, ID the one that people say.
	Run     string `json:"run,omitempty"`
	ID      string `json:"id,omitempty"`
	Image   string `json:"image,omitempty"`
	By      string `json:"by,omitempty"`
	Running bool   `json:"running,omitempty"`
}

// Holds are what holds every lane of an environment. A higher version is newer.
type Holds struct {
	Version int64         `json:"version"`
	Holds   []decide.Hold `json:"holds,omitempty"`
}

// Survey is what a lane must know before it starts a release.
type Survey struct {
	Newest Found `json:"newest"`
	Holds  Holds `json:"holds"`
}

// SurveyIn asks for it. Release is the workflow ID that all releases of the lane share, Lane that of the
// lane itself.
type SurveyIn struct {
	Release     string `json:"release"`
	Lane        string `json:"lane"`
	Environment string `json:"environment"`
}

// AwaitReleaseIn waits for the end of one run.
type AwaitReleaseIn struct {
	Release string `json:"release"`
	Run     string `json:"run"`
}

// Ended is how a release ended: the part of its status that a lane needs.
type Ended struct {
	ID          string    `json:"id"`
	Image       string    `json:"image"`
	StableImage string    `json:"stableImage,omitempty"`
	Phase       string    `json:"phase"`
	Outcome     string    `json:"outcome,omitempty"`
	Yielded     bool      `json:"yielded,omitempty"`
	Ended       time.Time `json:"ended,omitzero"`
}

// Broken is the phase of a release that ended without a status: terminated, or timed out.
const Broken = "terminated"

// TellLanesIn gives lanes what holds their environment.
type TellLanesIn struct {
	Lanes []string `json:"lanes"`
	Holds Holds    `json:"holds"`
}

// Directory is where releases and lanes are found: Temporal itself.
type Directory interface {
	// Newest run of a workflow ID; the zero value where there is none.
	Newest(ctx context.Context, release string) (Found, error)
	// Join makes a lane known to its environment, once, and returns what holds that.
	Join(ctx context.Context, environment, lane string) (Holds, error)
	// Await returns when a run has ended.
	Await(ctx context.Context, release, run string) (Ended, error)
	// Tell gives a lane what holds its environment. A lane that is not there is a NotFound.
	Tell(ctx context.Context, lane string, holds Holds) error
}

// Lanes look after releases.
type Lanes struct {
	Directory Directory
	Clock     Clock
}

// SurveyLane finds the newest release of a lane and what holds its environment.
func (a *Lanes) SurveyLane(ctx context.Context, in SurveyIn) (Survey, error) {
	holds, err := a.Directory.Join(ctx, in.Environment, in.Lane)
	if err != nil {
		return Survey{}, fault.From(err)
	}
	newest, err := a.Directory.Newest(ctx, in.Release)
	return Survey{Newest: newest, Holds: holds}, fault.From(err)
}

// AwaitRelease heartbeats until a run has ended, however long that takes.
func (a *Lanes) AwaitRelease(ctx context.Context, in AwaitReleaseIn) (Ended, error) {
	type end struct {
		out Ended
		err error
	}
	done := make(chan end, 1)
	go func() {
		out, err := a.Directory.Await(ctx, in.Release, in.Run)
		done <- end{out, err}
	}()
	for {
		select {
		case e := <-done:
			return e.out, fault.From(e.err)
		case <-a.Clock.After(time.Second):
			activity.RecordHeartbeat(ctx)
		}
	}
}

// TellLanes tells every lane and returns those that are no longer there.
func (a *Lanes) TellLanes(ctx context.Context, in TellLanesIn) ([]string, error) {
	var gone []string
	for _, lane := range in.Lanes {
		err := a.Directory.Tell(ctx, lane, in.Holds)
		switch {
		case err == nil:
		case fault.Of(err) == fault.NotFound:
			gone = append(gone, lane)
		default:
			return nil, fault.From(err)
		}
		activity.RecordHeartbeat(ctx)
	}
	return gone, nil
}
