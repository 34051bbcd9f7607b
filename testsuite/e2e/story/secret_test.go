// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// search looks for the secrets of the whole run in everything that it has left: histories, memos and search
// attributes, the cluster's objects, logs, records of releases and all other files, and metrics.
func search(ctx context.Context) error {
	if err := errors.Join(searchHistories(ctx), searchObjects(ctx, reveals), searchFiles()); err != nil {
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
			text := shown(e)
			events := temporal.GetWorkflowHistory(ctx, e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for events.HasNext() {
				event, err := events.Next()
				if err != nil {
					return fmt.Errorf("read history of %s: %w", e.GetExecution().GetWorkflowId(), err)
				}
				text = append(text, shown(event)...)
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

// shown is a message of Temporal's as text in which payloads can be read: as JSON they would be base64.
func shown(m proto.Message) []byte { return fmt.Appendf(nil, "%v", m) }

// searchObjects gives every object of the cluster, of every kind, to who looks for something in it.
func searchObjects(ctx context.Context, look func(what string, text []byte) error) error {
	lists, err := world.Kube.Discovery().ServerPreferredResources()
	if err != nil {
		return fmt.Errorf("list kinds of objects: %w", err)
	}
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return fmt.Errorf("list kinds of objects: %w", err)
		}
		for _, r := range list.APIResources {
			if !slices.Contains(r.Verbs, "list") {
				continue
			}
			if err := searchKind(ctx, group.WithResource(r.Name), look); err != nil {
				return err
			}
		}
	}
	return nil
}

func searchKind(ctx context.Context, kind schema.GroupVersionResource, look func(what string, text []byte) error) error {
	objects, err := world.Objects.Resource(kind).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list %s: %w", kind.Resource, err)
	}
	for _, o := range objects.Items {
		text, err := o.MarshalJSON()
		if err == nil {
			err = look(kind.Resource+" "+o.GetNamespace()+"/"+o.GetName(), text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// searchFiles reads everything that is no image and no program: logs, records, Temporal's database, kubeconfigs,
// plans. What a server is given its secrets by is left out.
func searchFiles() error {
	const large = 512 << 20
	return filepath.WalkDir(world.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, "/containerd/") || filepath.Base(filepath.Dir(path)) == stage.SecretsDir {
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

func TestTheSearchForSecretsReadsMemosAndObjects(t *testing.T) {
	memo, err := converter.GetDefaultDataConverter().ToPayload("by " + world.Key.Reveal())
	require.NoError(t, err)
	seen := shown(&workflow.WorkflowExecutionInfo{Memo: &common.Memo{Fields: map[string]*common.Payload{"by": memo}}})
	require.ErrorContains(t, reveals("a memo", seen), "the approval key is revealed by a memo")

	// No real secret: the cluster's database keeps for a while what is deleted.
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "planted", Annotations: map[string]string{"why": "canary-in-a-cluster"}}}
	maps := world.Kube.CoreV1().ConfigMaps("default")
	_, err = maps.Create(t.Context(), config, metav1.CreateOptions{})
	require.NoError(t, err)
	var found []string
	require.NoError(t, searchObjects(t.Context(), func(what string, text []byte) error {
		if bytes.Contains(text, []byte("canary-in-a-cluster")) {
			found = append(found, what)
		}
		return nil
	}))
	require.NoError(t, maps.Delete(t.Context(), "planted", metav1.DeleteOptions{}))
	require.Equal(t, []string{"configmaps default/planted"}, found)
}
