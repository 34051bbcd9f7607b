// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
)

// safeState is what preflight has found, for a person who must restore it without Temporal.
func (r *release) safeState(ctx workflow.Context) activities.SafeState {
	return activities.SafeState{
		Version: activities.SafeStateVersion, ReleaseID: r.in.ID, Lane: r.status.Environment + "/" + r.status.Service,
		Recorded: workflow.Now(ctx), Target: r.in.Plan.Spec.Target, Tracks: r.tracks, Route: r.route,
	}
}

// finished is the record that the last write of a release leaves behind, so that nobody rescues what is
// over.
func (r *release) finished(ctx workflow.Context, end activities.End) *activities.SafeState {
	s := r.safe
	switch {
	case end == activities.EndPromoted && r.returns():
		s = s.Return(r.in.Image)
	case end == activities.EndPromoted:
		s = r.taken()
	}
	s.Ended, s.EndedAt, s.EndedBy = end, workflow.Now(ctx), r.in.ID
	return &s
}

// closeRecord ends the record of a release that is refused after it has taken its fence, or may have.
func (r *release) closeRecord(ctx workflow.Context) error {
	if !r.recorded {
		return nil
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if err := r.landed(ctx); err != nil {
		return err
	}
	r.at(ctx, moment{next: "close the record of the safe state"})
	return do(ctx, undoing(), "Close the record of the safe state", cluster.CloseRecord, activities.CloseRecordIn{
		Target: r.in.Plan.Spec.Target, ReleaseID: r.in.ID, At: workflow.Now(ctx),
	})
}

// taken is what a person could restore once the candidate has taken over, at the size that it has by now.
func (r *release) taken() activities.SafeState {
	s := r.safe.Promote(r.in.Image)
	s.Tracks.Replicas = r.tracks.Replicas
	return s
}
