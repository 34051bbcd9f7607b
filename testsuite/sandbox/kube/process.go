// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	runtimev1 "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// process is a container.
type process struct {
	id, sandbox string
	config      *runtimev1.ContainerConfig
	log         string
	state       runtimev1.ContainerState
	created     time.Time
	started     time.Time
	finished    time.Time
	exit        int32
	reason      string
	cmd         *exec.Cmd
	env         []string
	done        chan struct{}
	use         use
}

// CreateContainer remembers what to start.
func (r *runtime) CreateContainer(_ context.Context, sandbox string, config *runtimev1.ContainerConfig, pod *runtimev1.PodSandboxConfig) (string, error) {
	c := &process{
		id: newID(), sandbox: sandbox, config: config, state: runtimev1.ContainerState_CONTAINER_CREATED,
		created: time.Now(), done: make(chan struct{}),
	}
	c.limit(config.GetLinux().GetResources())
	if pod.GetLogDirectory() != "" && config.LogPath != "" {
		c.log = filepath.Join(pod.LogDirectory, config.LogPath)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.containers[c.id] = c
	return c.id, nil
}

// StartContainer starts the process.
func (r *runtime) StartContainer(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil {
		return notFound("container", id)
	}
	s := r.sandboxes[c.sandbox]
	if s == nil {
		return notFound("sandbox", c.sandbox)
	}
	spec, err := r.spec(c, s)
	if err != nil {
		return err
	}
	if err := r.launch(c, spec); err != nil {
		c.state, c.exit, c.reason, c.finished = runtimev1.ContainerState_CONTAINER_EXITED, 128, "StartError", time.Now()
		close(c.done)
		return fmt.Errorf("start container process: %w", err)
	}
	return nil
}

// spec is what the shim is told: the image's program in the pod's namespaces, with the volumes.
func (r *runtime) spec(c *process, s *podSandbox) (shimSpec, error) {
	_, img, err := r.images.resolve(c.config.Image.Image)
	if err != nil {
		return shimSpec{}, err
	}
	argv := slices.Clone(c.config.Command)
	if len(argv) == 0 {
		argv = slices.Clone(img.Entrypoint)
	}
	argv = append(argv, c.config.Args...)
	if len(argv) == 0 {
		return shimSpec{}, errors.New("no command specified")
	}
	c.env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=" + s.config.Hostname}, img.Env...)
	for _, e := range c.config.Envs {
		c.env = append(c.env, e.Key+"="+string(e.Value))
	}
	spec := shimSpec{Argv: argv, Env: c.env, Dir: c.config.WorkingDir, Root: r.rootOf(c.id)}
	if spec.Dir == "" {
		spec.Dir = "/"
	}
	if s.pause != nil {
		spec.NetworkOf = s.pause.Process.Pid
	}
	for _, m := range c.config.Mounts {
		spec.Mounts = append(spec.Mounts, shimMount{Source: m.HostPath, Target: m.ContainerPath})
	}
	return spec, nil
}

func (r *runtime) rootOf(id string) string { return filepath.Join(r.roots, id) }

// launch starts the shim, which becomes the container's program, and follows it to its end.
func (r *runtime) launch(c *process, spec shimSpec) error {
	cmd, err := shimCommand(context.Background(), spec)
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
	logs := &criLog{}
	if c.log != "" {
		if logs.file, err = os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
			return fmt.Errorf("open log: %w", err)
		}
	}
	// Pipes of our own: exec.Cmd's would keep Wait until every grandchild has closed its end.
	var copied sync.WaitGroup
	stdout, err1 := logs.pipe("stdout", &copied)
	stderr, err2 := logs.pipe("stderr", &copied)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Start()
	_ = errors.Join(stdout.Close(), stderr.Close(), closeAll(cmd.ExtraFiles)) // ours are copies
	if err != nil {
		return err
	}
	c.cmd, c.state, c.started = cmd, runtimev1.ContainerState_CONTAINER_RUNNING, time.Now()
	r.measure(c)
	go func() {
		werr := cmd.Wait()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind in its process group
		r.sweep(c)
		copied.Wait()
		logs.close()
		r.ended(c, werr)
	}()
	return nil
}

func (r *runtime) ended(c *process, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.state, c.finished, c.reason = runtimev1.ContainerState_CONTAINER_EXITED, time.Now(), "Completed"
	if err != nil {
		c.exit, c.reason = 255, "Error"
		if s, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			c.exit = 128 + int32(s.Signal())
		} else if ok {
			c.exit = int32(s.ExitStatus())
		}
		if c.use.over {
			c.reason = "OOMKilled"
		}
	}
	if c.use.held != nil {
		_ = c.use.held.Close() // it was only opened
	}
	close(c.done)
}

// StopContainer asks, waits and kills.
func (r *runtime) StopContainer(_ context.Context, id string, seconds int64) error {
	r.mu.Lock()
	c := r.containers[id]
	running := c != nil && c.state == runtimev1.ContainerState_CONTAINER_RUNNING
	r.mu.Unlock()
	if !running {
		return nil
	}
	group := -c.cmd.Process.Pid
	if seconds > 0 {
		_ = syscall.Kill(group, syscall.SIGTERM) // it may be gone already
		select {
		case <-c.done:
			return nil
		case <-time.After(time.Duration(seconds) * time.Second):
		}
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-c.done
	return nil
}

// RemoveContainer forgets a container and its log.
func (r *runtime) RemoveContainer(ctx context.Context, id string) error {
	if err := r.StopContainer(ctx, id, 0); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	delete(r.containers, id)
	if c == nil {
		return nil
	}
	return errors.Join(os.RemoveAll(r.rootOf(id)), removeFile(c.log))
}

func removeFile(name string) error {
	if name == "" {
		return nil
	}
	return os.RemoveAll(name)
}

// ListContainers lists the newest first.
func (r *runtime) ListContainers(_ context.Context, f *runtimev1.ContainerFilter) ([]*runtimev1.Container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*runtimev1.Container
	for _, c := range r.containers {
		if f.GetId() != "" && f.GetId() != c.id || f.GetPodSandboxId() != "" && f.GetPodSandboxId() != c.sandbox ||
			f.GetState() != nil && f.GetState().State != c.state || !selects(f.GetLabelSelector(), c.config.Labels) {
			continue
		}
		out = append(out, &runtimev1.Container{
			Id: c.id, PodSandboxId: c.sandbox, Metadata: c.config.Metadata, Image: c.config.Image, ImageRef: c.config.Image.Image,
			ImageId: c.config.Image.Image, State: c.state, CreatedAt: c.created.UnixNano(), Labels: c.config.Labels, Annotations: c.config.Annotations,
		})
	}
	slices.SortFunc(out, func(a, b *runtimev1.Container) int { return int(b.CreatedAt - a.CreatedAt) })
	return out, nil
}

// ContainerStatus describes a container.
func (r *runtime) ContainerStatus(_ context.Context, id string, _ bool) (*runtimev1.ContainerStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil {
		return nil, notFound("container", id)
	}
	return &runtimev1.ContainerStatusResponse{Status: &runtimev1.ContainerStatus{
		Id: c.id, Metadata: c.config.Metadata, State: c.state, CreatedAt: c.created.UnixNano(), StartedAt: nanos(c.started), FinishedAt: nanos(c.finished),
		ExitCode: c.exit, Image: c.config.Image, ImageRef: c.config.Image.Image, ImageId: c.config.Image.Image, Reason: c.reason,
		Labels: c.config.Labels, Annotations: c.config.Annotations, Mounts: c.config.Mounts, LogPath: c.log,
	}}, nil
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// UpdateContainerResources takes another memory limit; the rest is not enforced.
func (r *runtime) UpdateContainerResources(_ context.Context, id string, resources *runtimev1.ContainerResources) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil {
		return notFound("container", id)
	}
	c.limit(resources.GetLinux())
	return nil
}

// ReopenContainerLog has nothing to do: logs are not rotated.
func (r *runtime) ReopenContainerLog(context.Context, string) error { return nil }

// criLog writes the lines of a container in the form that the kubelet reads.
type criLog struct {
	mu   sync.Mutex
	file *os.File
}

// pipe returns the end that the process writes to.
func (l *criLog) pipe(stream string, copied *sync.WaitGroup) (*os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	copied.Go(func() {
		defer func() { _ = read.Close() }()
		lines := bufio.NewReaderSize(read, 64<<10)
		for {
			line, err := lines.ReadBytes('\n')
			if len(line) > 0 {
				l.line(stream, line)
			}
			if err != nil {
				return // the process has ended
			}
		}
	})
	return write, nil
}

func (l *criLog) line(stream string, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out io.Writer = io.Discard
	if l.file != nil {
		out = l.file
	}
	_, _ = fmt.Fprintf(out, "%s %s F %s\n", time.Now().UTC().Format(time.RFC3339Nano), stream, bytes.TrimSuffix(line, []byte("\n")))
}

func (l *criLog) close() {
	if l.file != nil {
		_ = l.file.Close()
	}
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
