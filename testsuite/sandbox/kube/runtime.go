// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis"
	runtimev1 "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/slipwayhq/slipway/testsuite/sandbox/kube/meter"
)

// runtime is the container runtime under the kubelet: what containerd is elsewhere. A pod sandbox is a
// process that holds a network namespace; a container is a process in it.
type runtime struct {
	// The kubelet calls nothing that is not implemented here; if a newer one does, the nil interface
	// makes it loud.
	cri.RuntimeService
	images *imageService
	stream *streamer
	meter  meter.Meter
	roots  string

	mu         sync.Mutex
	sandboxes  map[string]*podSandbox
	containers map[string]*process
	addresses  *addressPool
}

// podSandbox is a pod as the runtime sees it.
type podSandbox struct {
	id      string
	config  *runtimev1.PodSandboxConfig
	address string
	pause   *exec.Cmd
	state   runtimev1.PodSandboxState
	created time.Time
}

// newRuntime begins with nothing: the processes of an earlier runtime have died with it.
func newRuntime(o options) (*runtime, error) {
	r := &runtime{
		images: &imageService{dir: o.images, pulled: map[string]bool{}}, roots: filepath.Join(o.dir, "roots"),
		sandboxes: map[string]*podSandbox{}, containers: map[string]*process{}, addresses: newAddressPool(),
	}
	if err := os.RemoveAll(r.roots); err != nil {
		return nil, fmt.Errorf("remove old containers: %w", err)
	}
	var err1, err2 error
	r.stream, err1 = newStreamer(r)
	r.meter, err2 = newMeter()
	return r, errors.Join(err1, err2)
}

// newID has the form that the kubelet and crictl expect of one.
func newID() string {
	return strings.ToLower(rand.Text() + rand.Text() + rand.Text())[:64]
}

func notFound(kind, id string) error {
	return status.Errorf(codes.NotFound, "%s %q not found", kind, id)
}

var errUnsupported = errors.New("not supported in the sandbox")

// Version names the runtime in the node's status.
func (r *runtime) Version(context.Context, string) (*runtimev1.VersionResponse, error) {
	return &runtimev1.VersionResponse{Version: "0.1.0", RuntimeName: "process", RuntimeVersion: "1.0.0", RuntimeApiVersion: "v1"}, nil
}

// Status is always ready.
func (r *runtime) Status(context.Context, bool) (*runtimev1.StatusResponse, error) {
	return &runtimev1.StatusResponse{Status: &runtimev1.RuntimeStatus{Conditions: []*runtimev1.RuntimeCondition{
		{Type: runtimev1.RuntimeReady, Status: true}, {Type: runtimev1.NetworkReady, Status: true},
	}}}, nil
}

// RunPodSandbox gives a pod its address and its network namespace.
func (r *runtime) RunPodSandbox(_ context.Context, config *runtimev1.PodSandboxConfig, _ string) (string, error) {
	s := &podSandbox{id: newID(), config: config, state: runtimev1.PodSandboxState_SANDBOX_READY, created: time.Now()}
	if config.LogDirectory != "" {
		if err := os.MkdirAll(config.LogDirectory, 0o755); err != nil {
			return "", fmt.Errorf("make log directory: %w", err)
		}
	}
	if config.GetLinux().GetSecurityContext().GetNamespaceOptions().GetNetwork() != runtimev1.NamespaceMode_NODE {
		r.mu.Lock()
		s.address = r.addresses.take()
		r.mu.Unlock()
		var err error
		if s.pause, err = startPause(s.id, s.address); err != nil {
			return "", fmt.Errorf("set up pod network: %w", err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sandboxes[s.id] = s
	return s.id, nil
}

// StopPodSandbox ends what still runs in the pod and gives its address back.
func (r *runtime) StopPodSandbox(ctx context.Context, id string) error {
	for _, c := range r.containersOf(id) {
		if err := r.StopContainer(ctx, c, 0); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[id]
	if s == nil || s.state == runtimev1.PodSandboxState_SANDBOX_NOTREADY {
		return nil
	}
	s.state = runtimev1.PodSandboxState_SANDBOX_NOTREADY
	r.addresses.give(s.address)
	if s.pause != nil {
		return s.pause.Process.Kill()
	}
	return nil
}

func (r *runtime) containersOf(sandbox string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for id, c := range r.containers {
		if c.sandbox == sandbox {
			out = append(out, id)
		}
	}
	return out
}

// RemovePodSandbox forgets a pod.
func (r *runtime) RemovePodSandbox(ctx context.Context, id string) error {
	if err := r.StopPodSandbox(ctx, id); err != nil {
		return err
	}
	for _, c := range r.containersOf(id) {
		if err := r.RemoveContainer(ctx, c); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sandboxes, id)
	return nil
}

// PodSandboxStatus describes a pod.
func (r *runtime) PodSandboxStatus(_ context.Context, id string, _ bool) (*runtimev1.PodSandboxStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[id]
	if s == nil {
		return nil, notFound("sandbox", id)
	}
	return &runtimev1.PodSandboxStatusResponse{Status: &runtimev1.PodSandboxStatus{
		Id: s.id, Metadata: s.config.Metadata, State: s.state, CreatedAt: s.created.UnixNano(),
		Network: &runtimev1.PodSandboxNetworkStatus{Ip: s.address},
		Linux:   &runtimev1.LinuxPodSandboxStatus{Namespaces: &runtimev1.Namespace{Options: s.config.GetLinux().GetSecurityContext().GetNamespaceOptions()}},
		Labels:  s.config.Labels, Annotations: s.config.Annotations,
	}}, nil
}

// ListPodSandbox lists the newest first, as the kubelet expects.
func (r *runtime) ListPodSandbox(_ context.Context, f *runtimev1.PodSandboxFilter) ([]*runtimev1.PodSandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*runtimev1.PodSandbox
	for _, s := range r.sandboxes {
		if f.GetId() != "" && f.GetId() != s.id || f.GetState() != nil && f.GetState().State != s.state || !selects(f.GetLabelSelector(), s.config.Labels) {
			continue
		}
		out = append(out, &runtimev1.PodSandbox{
			Id: s.id, Metadata: s.config.Metadata, State: s.state, CreatedAt: s.created.UnixNano(),
			Labels: s.config.Labels, Annotations: s.config.Annotations,
		})
	}
	slices.SortFunc(out, func(a, b *runtimev1.PodSandbox) int { return int(b.CreatedAt - a.CreatedAt) })
	return out, nil
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// stopAll gives every container three seconds to end.
func (r *runtime) stopAll() {
	r.mu.Lock()
	ids := make([]string, 0, len(r.containers))
	for id := range r.containers {
		ids = append(ids, id)
	}
	r.mu.Unlock()
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() { _ = r.StopContainer(context.Background(), id, 3) }) // it is killed in the end
	}
	all.Wait()
}

// UpdateRuntimeConfig and what follows have nothing to do here.
func (r *runtime) UpdateRuntimeConfig(context.Context, *runtimev1.RuntimeConfig) error { return nil }

// RuntimeConfig names a cgroup driver; nothing is put into cgroups.
func (r *runtime) RuntimeConfig(context.Context) (*runtimev1.RuntimeConfigResponse, error) {
	return &runtimev1.RuntimeConfigResponse{Linux: &runtimev1.LinuxRuntimeConfiguration{CgroupDriver: runtimev1.CgroupDriver_CGROUPFS}}, nil
}

// Close has nothing to close.
func (r *runtime) Close(context.Context) error { return nil }

// UpdatePodSandboxResources accepts everything: only containers have limits.
func (r *runtime) UpdatePodSandboxResources(context.Context, *runtimev1.UpdatePodSandboxResourcesRequest) (*runtimev1.UpdatePodSandboxResourcesResponse, error) {
	return &runtimev1.UpdatePodSandboxResourcesResponse{}, nil
}
