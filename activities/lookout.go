// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/activities/fault"
)

// LookoutIn asks to see the pods of a service for a while.
type LookoutIn struct {
	Namespace string `json:"namespace"`
	// Service that callers use.
	Service string `json:"service,omitempty"`
	// Workloads are looked at in this order, each of the kind that plans name; those that are gone are left out.
	Kind      string   `json:"kind"`
	Workloads []string `json:"workloads"`
	// Until is when nobody may be looking any more.
	Until time.Time `json:"until"`
}

// Sight is what the pods of a service look like at one moment.
type Sight struct {
	At        time.Time       `json:"at"`
	Service   string          `json:"service,omitempty"`
	Workloads []WorkloadSight `json:"workloads"`
}

// WorkloadSight is one workload with its pods.
type WorkloadSight struct {
	Name  string `json:"name"`
	Want  int32  `json:"want"`
	Ready int32  `json:"ready"`
	// Serves is true where the Service selects it.
	Serves bool       `json:"serves,omitempty"`
	Sets   []SetSight `json:"sets,omitempty"`
}

// SetSight is a ReplicaSet, or a revision of another kind of workload, that has pods.
type SetSight struct {
	Name string     `json:"name"`
	Pods []PodSight `json:"pods"`
	// More pods than are listed.
	More int `json:"more,omitempty"`
}

// PodSight is one pod.
type PodSight struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready,omitempty"`
	// State in the pod's own words, where it is not ready.
	State    string `json:"state,omitempty"`
	Restarts int32  `json:"restarts,omitempty"`
}

// Viewer sees pods.
type Viewer interface {
	// View looks once. A workload that is not there is left out.
	View(context.Context, LookoutIn) (Sight, error)
}

// Lookout shows pods to people who have no access to the cluster.
type Lookout struct {
	Viewer Viewer
	Clock  Clock
}

// glance is the pause between two looks of a lookout.
const glance = time.Second

// ShowPods looks again and again, and leaves what it sees in its heartbeats, which cost no history: whoever wants
// to see it reads it there. A look that fails leaves what was seen before.
func (a *Lookout) ShowPods(ctx context.Context, in LookoutIn) error {
	var seen Sight
	for a.Clock.Now().Before(in.Until) {
		now, err := a.Viewer.View(ctx, in)
		switch {
		case err == nil:
			seen = now
		case fault.Final(err):
			return fault.From(err)
		}
		activity.RecordHeartbeat(ctx, seen)
		if err := a.Clock.wait(ctx, glance); err != nil {
			return err
		}
	}
	return nil
}
