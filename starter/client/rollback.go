// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"

	"github.com/slipwayhq/slipway/workflows"
)

// Earlier asks for an earlier version back.
type Earlier struct {
	Lane Lane
	// To is the ID of a promoted release whose image is wanted; empty: what ran before the newest one.
	To string
	By string
	// Override says why an image in quarantine is good now; empty: it is refused.
	Override string
}

// Returning is a rollback that has been started.
type Returning struct {
	ID    string `json:"id"`
	Image string `json:"image"`
}

// Rollback brings an earlier image back, by the plan of the newest promoted release. It refuses while a
// release runs, whose abort is the way back, and names what can be gone back to when To is none of it.
func (c *Client) Rollback(ctx context.Context, r Earlier) (Returning, error) {
	runs, err := c.History(ctx, r.Lane, maxPage)
	if err != nil {
		return Returning{}, err
	}
	if err := ended(r.Lane, runs); err != nil {
		return Returning{}, err
	}
	promoted := slices.DeleteFunc(runs, func(p Past) bool { return p.Phase != workflows.Promoted })
	if len(promoted) == 0 {
		return Returning{}, fmt.Errorf("no release of %s was promoted, as far back as Temporal knows; there is nothing to go back from", r.Lane)
	}
	in, err := c.input(ctx, r.Lane, promoted[0].run)
	if err != nil {
		return Returning{}, err
	}
	image, err := c.earlier(ctx, r, promoted)
	if err != nil {
		return Returning{}, err
	}
	in.ID, in.Image, in.RequestedBy, in.Holds, in.OverrideFreeze = newID(r.Lane), image, r.By, nil, ""
	if in.Source, err = c.sourceOf(ctx, r.Lane, promoted, image); err != nil {
		return Returning{}, err
	}
	p, err := c.submit(ctx, r.Lane, workflows.Submission{Workflow: workflows.RollbackWorkflow, Release: in, Override: r.Override})
	return Returning{ID: p.ID, Image: image}, err
}

// ended refuses a way back while a release runs, whose abort is the way back. The newest run is the first.
func ended(l Lane, runs []Past) error {
	if len(runs) > 0 && runs[0].Ended.IsZero() {
		return fmt.Errorf("release %s of %s is running: `slipway abort %s` takes it back", runs[0].ID, l, l)
	}
	return nil
}

// earlier is the image that is wanted back.
func (c *Client) earlier(ctx context.Context, r Earlier, promoted []Past) (string, error) {
	newest := promoted[0]
	if r.To == "" {
		var s workflows.Status
		if err := c.temporal.GetWorkflow(ctx, r.Lane.String(), newest.run).Get(ctx, &s); err != nil {
			return "", fmt.Errorf("read the end of release %s: %w", newest.ID, err)
		}
		return s.StableImage, nil
	}
	var known []string
	for _, p := range promoted {
		if p.ID == r.To && p.Image == newest.Image {
			return "", fmt.Errorf("%s is what runs already, by release %s", p.Image, newest.ID)
		}
		if p.ID == r.To {
			return p.Image, nil
		}
		if p.Image != newest.Image {
			known = append(known, p.ID)
		}
	}
	if len(known) == 0 {
		return "", fmt.Errorf("no release %s of %s was promoted; without --to, what ran before %s comes back", r.To, r.Lane, newest.ID)
	}
	return "", fmt.Errorf("no release %s of %s was promoted; these were: %s", r.To, r.Lane, strings.Join(known, ", "))
}

// sourceOf is where an image came from, if a release of it is among those that were promoted.
func (c *Client) sourceOf(ctx context.Context, lane Lane, promoted []Past, image string) (workflows.Source, error) {
	i := slices.IndexFunc(promoted, func(p Past) bool { return p.Image == image })
	if i < 0 {
		return workflows.Source{}, nil
	}
	in, err := c.input(ctx, lane, promoted[i].run)
	return in.Source, err
}

// input is what a run was started with.
func (c *Client) input(ctx context.Context, lane Lane, run string) (workflows.ReleaseIn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var in workflows.ReleaseIn
	events := c.temporal.GetWorkflowHistory(ctx, lane.String(), run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	first, err := events.Next()
	if err != nil {
		return in, fmt.Errorf("read how the last release of %s began: %w", lane, err)
	}
	payloads := first.GetWorkflowExecutionStartedEventAttributes().GetInput()
	if err := converter.GetDefaultDataConverter().FromPayloads(payloads, &in); err != nil {
		return in, fmt.Errorf("read how the last release of %s began: %w", lane, err)
	}
	return in, nil
}
