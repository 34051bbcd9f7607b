// SPDX-License-Identifier: Apache-2.0

package machine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

// within bounds every wait for a sandbox.
const within = 2 * time.Minute

// The sandbox that tests share which end none, and the root of the repository.
var (
	shared     *stage.Stage
	repository string
)

func TestMain(m *testing.M) {
	os.Exit(stage.Tests(stage.OpenWithoutWorker, func(s *stage.Stage) int {
		shared, repository = s, s.Repository
		return m.Run()
	}))
}

// open starts another sandbox, which ends with the test.
func open(t *testing.T, dir string) *stage.Stage {
	t.Helper()
	return openWith(t, stage.Options{Repository: repository, Dir: dir, Out: t.Output()})
}

func openWith(t *testing.T, o stage.Options) *stage.Stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	s, err := stage.OpenWithoutWorker(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// emptyDir has a path that is short enough for a sandbox, whatever the test's name is.
func emptyDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "slipway-") //nolint:usetesting // the path of t.TempDir is too long for sockets
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// refused tries to start a sandbox that cannot start, and returns the reason.
func refused(t *testing.T, o sandbox.StartOptions) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	o.Driver, o.Source, o.Out = filepath.Join(repository, "bin", "driver"), filepath.Join(repository, "testsuite", "sandbox"), t.Output()
	s, err := sandbox.Start(ctx, o)
	if err == nil {
		require.NoError(t, s.Stop())
	}
	require.Error(t, err)
	return err
}

func eventually(t *testing.T, look func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var last error // what was seen, not that the time was up
	err := stage.Await(ctx, func(ctx context.Context) error {
		err := look(ctx)
		if ctx.Err() == nil {
			last = err
		}
		return err
	})
	require.NoError(t, err, "last seen: %v", last)
}

// ask is the body of a 200 from a URL, as a host of the gateway if one is named.
func ask(ctx context.Context, url, host string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Host = host
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, text)
	}
	return string(text), errors.Join(err, resp.Body.Close())
}

// makeNamespace leaves something in the cluster.
func makeNamespace(t *testing.T, s *stage.Stage, name string) *corev1.Namespace {
	t.Helper()
	made, err := s.Kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	require.NoError(t, err)
	return made
}

// startWorkflow leaves a workflow that nobody works on in Temporal, and returns its run.
func startWorkflow(t *testing.T, s *stage.Stage, id string) string {
	t.Helper()
	run, err := temporal(t, s).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "nobody"}, "Wait")
	require.NoError(t, err)
	return run.GetRunID()
}

// workflowRuns looks for that run.
func workflowRuns(t *testing.T, s *stage.Stage, id, run string) {
	t.Helper()
	c := temporal(t, s)
	eventually(t, func(ctx context.Context) error {
		got, err := c.DescribeWorkflowExecution(ctx, id, "")
		if err == nil && got.GetWorkflowExecutionInfo().GetExecution().GetRunId() != run {
			err = fmt.Errorf("found another run: %v", got)
		}
		return err
	})
}

func temporal(t *testing.T, s *stage.Stage) client.Client {
	t.Helper()
	c, err := client.NewLazyClient(client.Options{HostPort: s.Temporal, Logger: quiet{}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// quiet says nothing: what goes wrong is an error of a call.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
