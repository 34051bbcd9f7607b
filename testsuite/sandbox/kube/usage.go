// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	runtimev1 "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/slipwayhq/slipway/testsuite/sandbox/kube/meter"
)

// sampleEvery is often enough that a container is not far over its limit when it is ended.
const sampleEvery = 250 * time.Millisecond

// use is what a container may use, and what it does.
type use struct {
	// namespace is the container's mount namespace; it is held open, so that its number is not given to
	// another one while something goes by it.
	namespace uint64
	held      *os.File
	history   meter.History
	// limit of memory in bytes; 0: none. over is true once the container is ended for it.
	limit int64
	over  bool
}

// limit takes the memory limit from what the kubelet says, which leaves out what stays.
func (c *process) limit(r *runtimev1.LinuxContainerResources) {
	if bytes := r.GetMemoryLimitInBytes(); bytes > 0 {
		c.use.limit = bytes
	}
}

// newMeter knows this program as the one that becomes every container's: it is the shim.
func newMeter() (meter.Meter, error) {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return meter.Meter{}, fmt.Errorf("find own program: %w", err)
	}
	return meter.Meter{Proc: "/proc", Starter: self}, nil
}

// measure begins to measure a container that has just started; one that has ended already is not measured.
func (r *runtime) measure(c *process) {
	pid := c.cmd.Process.Pid
	held, err1 := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	namespace, err2 := r.meter.Namespace(pid)
	if errors.Join(err1, err2) == nil {
		c.use.namespace, c.use.held = namespace, held
	} else if err1 == nil {
		_ = held.Close() // it was only opened
	}
}

// sweep ends what a container left behind when it ended.
func (r *runtime) sweep(c *process) {
	left, err := r.meter.Read([]uint64{c.use.namespace})
	if err != nil {
		fmt.Fprintln(os.Stderr, "look for what a container left behind:", err)
	}
	kill(left[c.use.namespace])
}

// watch measures all containers until ctx is done, and ends those that are over their memory limit.
func (r *runtime) watch(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := r.sample(); err != nil {
				fmt.Fprintln(os.Stderr, "measure containers:", err)
			}
		}
	}
}

// sample measures once.
func (r *runtime) sample() error {
	containers := r.measured()
	if len(containers) == 0 {
		return nil
	}
	namespaces := make([]uint64, 0, len(containers))
	for _, c := range containers {
		namespaces = append(namespaces, c.use.namespace)
	}
	at := time.Now()
	usage, err := r.meter.Read(namespaces)
	if err != nil {
		return err
	}
	for _, c := range containers {
		u := usage[c.use.namespace]
		limit := r.note(c, at, u)
		if limit > 0 && u.Memory > limit && r.meter.Proportional(u.Processes) > limit {
			r.endOver(c, u)
		}
	}
	return nil
}

// measured are the containers that run.
func (r *runtime) measured() []*process {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*process
	for _, c := range r.containers {
		if c.state == runtimev1.ContainerState_CONTAINER_RUNNING && c.use.held != nil {
			out = append(out, c)
		}
	}
	return out
}

// note adds to a container's history, and returns its memory limit.
func (r *runtime) note(c *process, at time.Time, u meter.Usage) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(u.Processes) > 0 {
		c.use.history.Add(at, u)
	}
	return c.use.limit
}

// endOver ends all processes of a container that is over its limit, as the kernel does with a cgroup that
// is to end as one.
func (r *runtime) endOver(c *process, u meter.Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.state == runtimev1.ContainerState_CONTAINER_RUNNING {
		c.use.over = true
		kill(u)
	}
}

func kill(u meter.Usage) {
	for _, pid := range slices.Concat(u.Processes, u.Starting) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone already
	}
}

// rates are the use of a pod's containers by their names; nil where one that runs is not known yet.
func (r *runtime) rates(uid string) map[string]meter.Rate {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]meter.Rate{}
	for _, c := range r.containers {
		s := r.sandboxes[c.sandbox]
		if s == nil || s.config.GetMetadata().GetUid() != uid || c.state != runtimev1.ContainerState_CONTAINER_RUNNING {
			continue
		}
		rate, ok := c.use.history.Rate()
		if !ok {
			return nil
		}
		out[c.config.GetMetadata().GetName()] = rate
	}
	return out
}
