// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/sdk/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// momentWithin bounds the wait of a script for its moment, endWithin that for the end of a release.
const (
	momentWithin = 3 * time.Minute
	endWithin    = 4 * time.Minute
)

// Telling is a release under way.
type Telling struct {
	*Seat
	Context context.Context
	Shop    *stage.Shop

	began time.Time
	said  chan stage.Said
	// from is how many writes there were when somebody aborted.
	from int
	// Safe is how long an abort took until traffic was safe; 0: nobody looked.
	Safe time.Duration
}

// Shares that the candidate has had on the route so far.
func (t *Telling) Shares() []int { return t.Shop.Route.Shares(t.began) }

// Until waits for a condition of the release.
func (t *Telling) Until(what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(t.Context, momentWithin)
	defer cancel()
	missed := errors.New(what)
	err := stage.Await(ctx, func(context.Context) error {
		if ok() {
			return nil
		}
		if len(t.said) > 0 {
			cancel()
		}
		return missed
	})
	if err != nil {
		return fmt.Errorf("this has never been so: %s", what)
	}
	return nil
}

// UntilShare waits until the route gives the candidate a share.
func (t *Telling) UntilShare(share int) error {
	return t.Until(fmt.Sprintf("the candidate has %d %%", share), func() bool { return slices.Contains(t.Shares(), share) })
}

// UntilSays waits until the release says something of itself.
func (t *Telling) UntilSays(text string) error {
	return t.Until("it says: "+text, func() bool {
		value, err := t.temporal.QueryWorkflow(t.Context, t.Shop.Lane(), "", "__temporal_workflow_metadata")
		if err != nil {
			return false // not begun, or between two workers
		}
		var m sdk.WorkflowMetadata
		return value.Get(&m) == nil && strings.Contains(m.CurrentDetails, text)
	})
}

// Do gives a command, which must be accepted.
func (t *Telling) Do(args ...string) error {
	said, err := t.Slipway(t.Context, args...)
	if err == nil && said.Code != 0 {
		err = fmt.Errorf("slipway %s: %s", strings.Join(args, " "), said.Err)
	}
	return err
}

// Abort gives the command. Writes from here on are those of the way back.
func (t *Telling) Abort() error {
	t.from = len(t.API.Writes())
	return t.Do("abort", t.Shop.Lane(), "--reason", "a test")
}

// rolled is how many pods run the new version in place.
func (t *Telling) rolled() int {
	d, err := t.Kube.AppsV1().Deployments(t.Shop.Namespace).Get(t.Context, t.Shop.Name, metav1.GetOptions{})
	if err != nil || d.Status.ObservedGeneration < d.Generation || d.Spec.Template.Spec.Containers[0].Image == t.Shop.Image {
		return 0
	}
	return int(d.Status.UpdatedReplicas)
}

// abortedAt is a script in which somebody aborts when the candidate has a share.
func abortedAt(share int) func(*Telling) error {
	return func(t *Telling) error {
		if err := t.UntilShare(share); err != nil {
			return err
		}
		if share == 100 { // after the Service was switched too
			if err := t.UntilSays("the bake is judged"); err != nil {
				return err
			}
		}
		return t.Abort()
	}
}

// abortedInBatch is a script in which somebody aborts while the first new pod is watched.
func abortedInBatch(t *Telling) error {
	if err := t.UntilSays("batch 1 is judged"); err != nil {
		return err
	}
	return t.Abort()
}

// takenBack is a script in which somebody scales the candidate down by hand, and somebody else takes that back.
func takenBack(t *Telling) error {
	if err := t.UntilSays("approval by 1"); err != nil {
		return err
	}
	_, err := t.Kube.AppsV1().Deployments(t.Shop.Namespace).Patch(t.Context, t.Shop.Name+"-green", types.MergePatchType,
		[]byte(`{"spec":{"replicas":1}}`), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	if err != nil {
		return fmt.Errorf("scale the candidate by hand: %w", err)
	}
	if err := t.Do("approve", t.Shop.Lane()); err != nil {
		return err
	}
	if err := t.UntilSays("take it back (resume --take-back)"); err != nil {
		return err
	}
	return t.Do("resume", t.Shop.Lane(), "--take-back")
}
