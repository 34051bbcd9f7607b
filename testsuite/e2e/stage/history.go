// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// Dial reaches the sandbox's Temporal without Slipway.
func (s *Stage) Dial(ctx context.Context) (client.Client, error) {
	c, err := client.DialContext(ctx, client.Options{HostPort: s.Temporal, Namespace: s.Namespace, Logger: quiet{}})
	if err != nil {
		return nil, fmt.Errorf("reach Temporal: %w", err)
	}
	return c, nil
}

// History is every event of the newest run of a workflow.
func History(ctx context.Context, c client.Client, workflow string) (*history.History, error) {
	h := &history.History{}
	events := c.GetWorkflowHistory(ctx, workflow, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("read history of %s: %w", workflow, err)
		}
		h.Events = append(h.Events, e)
	}
	return h, nil
}

// quiet keeps the SDK's own lines out of the tests' output.
type quiet struct{}

var _ log.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
