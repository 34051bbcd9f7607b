// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
)

type (
	// Sight is what the pods of a service look like at one moment.
	Sight = activities.Sight
	// WorkloadSight is one workload in it.
	WorkloadSight = activities.WorkloadSight
	// SetSight is one ReplicaSet in it.
	SetSight = activities.SetSight
	// PodSight is one pod in it.
	PodSight = activities.PodSight
)

// LookoutIn is what a lookout is to see. The zero Until is filled in by the workflow.
type LookoutIn = activities.LookoutIn

// lookoutFor is how long a lookout looks after somebody has asked it to.
const lookoutFor = 2 * time.Minute

// LookoutID is the workflow ID of the lookout of a lane: all who look at a release share one.
func LookoutID(environment, service string) string {
	return "lookout/" + ReleaseID(environment, service)
}

// Lookout sees the pods of a service for two minutes, for those who watch a release. Its one activity leaves what
// it sees in its heartbeats; nothing of it reaches a release.
func Lookout(ctx workflow.Context, in LookoutIn) error {
	in.Until = workflow.Now(ctx).Add(lookoutFor)
	return do(ctx, watching(lookoutFor), fmt.Sprintf("Look at the pods of %v in %s", in.Workloads, in.Namespace), lookout.ShowPods, in)
}
