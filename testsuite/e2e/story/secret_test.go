// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// search looks for the secrets of the whole run in everything that it has left: histories and memos, logs and all
// other files, and metrics.
func search(ctx context.Context) error {
	if err := searchHistories(ctx); err != nil {
		return err
	}
	if err := searchFiles(); err != nil {
		return err
	}
	resp, err := http.Get(world.Worker.URL + "/metrics") //nolint:noctx // the last thing that is asked
	if err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	return reveals("the worker's metrics", text)
}

func searchHistories(ctx context.Context) error {
	var page []byte
	for {
		found, err := temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{NextPageToken: page})
		if err != nil {
			return fmt.Errorf("list workflows: %w", err)
		}
		for _, e := range found.Executions {
			text, err := protojson.Marshal(e)
			if err != nil {
				return fmt.Errorf("read %s: %w", e.GetExecution().GetWorkflowId(), err)
			}
			events := temporal.GetWorkflowHistory(ctx, e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for events.HasNext() {
				event, err := events.Next()
				if err != nil {
					return fmt.Errorf("read history of %s: %w", e.GetExecution().GetWorkflowId(), err)
				}
				text = fmt.Appendf(text, "%v", event)
			}
			if err := reveals("the history of "+e.GetExecution().GetWorkflowId(), text); err != nil {
				return err
			}
		}
		if page = found.NextPageToken; len(page) == 0 {
			return nil
		}
	}
}

// searchFiles reads everything that is no image and no program: logs, Temporal's database, kubeconfigs, plans.
func searchFiles() error {
	const large = 512 << 20
	return filepath.WalkDir(world.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, "/containerd/") {
			return nil //nolint:nilerr // what comes and goes while it is looked at is none of ours
		}
		if info, err := d.Info(); err != nil || info.Size() > large {
			return nil //nolint:nilerr // the same
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil //nolint:nilerr // the same
		}
		return reveals(path, text)
	})
}

// reveals says which secret is in a text, and in which spelling.
func reveals(what string, text []byte) error {
	for name, secret := range world.Secrets() {
		for _, spelling := range []string{secret, strings.TrimPrefix(secret, "slipway_sk_")} {
			if bytes.Contains(text, []byte(spelling)) {
				return fmt.Errorf("%s is revealed by %s", name, what)
			}
		}
	}
	return nil
}

func TestTheSearchForSecretsFindsWhatIsPlanted(t *testing.T) {
	for name, secret := range world.Secrets() {
		require.ErrorContains(t, reveals("a log", []byte(`{"error":"`+strings.TrimPrefix(secret, "slipway_sk_")+`"}`)), name+" is revealed by a log")
	}
	require.NoError(t, reveals("a log", []byte(world.Key.Public().String())))
}
