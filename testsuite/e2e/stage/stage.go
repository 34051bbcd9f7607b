// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/slipwayhq/slipway/testsuite/sandbox"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// Options of a stage.
type Options struct {
	// Repository is the root of Slipway's source; its programs are in bin, as `make build` leaves them.
	Repository string
	// Dir holds all state; it is made if it is missing.
	Dir string
	// Ports of the sandbox; 0 is any free one.
	Ports sandbox.Ports
	// Out is told how the sandbox comes up.
	Out io.Writer
	// Prepare may change how the sandbox's driver is started.
	Prepare func(*exec.Cmd)
}

// Stage is a sandbox with a worker.
type Stage struct {
	*sandbox.Sandbox
	// Repository is the root of Slipway's source, Dir holds all state, Bin the programs.
	Repository, Dir, Bin string
	// Kube, Gateways and Objects act as the cluster's administrator.
	Kube     kubernetes.Interface
	Gateways versioned.Interface
	Objects  dynamic.Interface
	// Namespace of Temporal that the worker and the command line use; empty: the default one.
	Namespace string
	// Worker is running.
	Worker *Worker
	// Key is that of a server which the worker trusts, and with which the command line signs.
	Key statement.Private
	// Registry knows the tags of images.
	Registry *Registry

	admin   *rest.Config
	planted *secrets
}

// Open starts a sandbox and a worker, and returns when both are ready.
func Open(ctx context.Context, o Options) (*Stage, error) {
	s, err := OpenWithoutWorker(ctx, o)
	if err != nil {
		return nil, err
	}
	if s.Worker, err = s.StartWorker(ctx, WorkerOptions{}); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// OpenWithoutWorker starts a sandbox and gives the worker's service account its rights.
func OpenWithoutWorker(ctx context.Context, o Options) (*Stage, error) {
	s := &Stage{Repository: o.Repository, Dir: o.Dir, Bin: filepath.Join(o.Repository, "bin"), Registry: openRegistry(), planted: &secrets{all: map[string]string{}}}
	for _, name := range []string{"driver", "worker", "slipway"} {
		if _, err := os.Stat(filepath.Join(s.Bin, name)); err != nil {
			return nil, fmt.Errorf("find programs: %w; run `make build`", err)
		}
	}
	var err error
	if s.Key, err = statement.Generate(rand.Reader); err != nil {
		return nil, err
	}
	s.Sandbox, err = sandbox.Start(ctx, sandbox.StartOptions{
		Driver: filepath.Join(s.Bin, "driver"), Source: filepath.Join(o.Repository, "testsuite", "sandbox"),
		Dir: o.Dir, Ports: o.Ports, Out: o.Out, Prepare: o.Prepare,
	})
	if err != nil {
		return nil, err
	}
	if err := s.connect(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := s.grant(ctx, filepath.Join(o.Repository, "deploy", "base")); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Stage) connect() error {
	var err error
	if s.admin, err = clientcmd.BuildConfigFromFlags("", s.Kubeconfig); err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	s.admin.QPS, s.admin.Burst = 200, 400
	var err1, err2, err3 error
	s.Kube, err1 = kubernetes.NewForConfig(s.admin)
	s.Gateways, err2 = versioned.NewForConfig(s.admin)
	s.Objects, err3 = dynamic.NewForConfig(s.admin)
	return errors.Join(err1, err2, err3)
}

// Close ends the worker and the sandbox.
func (s *Stage) Close() error {
	if s.Worker != nil && s.Worker.Alive() {
		if err := s.Worker.Kill(); err != nil {
			return errors.Join(err, s.Stop())
		}
	}
	return s.Stop()
}
