// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"time"

	runtimev1 "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// streamer serves exec and port-forward; attach is not supported.
type streamer struct {
	runtime *runtime
	server  streaming.Server
}

func newStreamer(r *runtime) (*streamer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for streams: %w", err)
	}
	config := streaming.DefaultConfig
	config.Addr = l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("listen for streams: %w", err)
	}
	s := &streamer{runtime: r}
	if s.server, err = streaming.NewServer(config, s); err != nil {
		return nil, fmt.Errorf("make streaming server: %w", err)
	}
	go func() { _ = s.server.Start(true) }() // it ends with the process
	return s, nil
}

// exitCode is how a command in a container ended, in the form that the kubelet asks for.
type exitCode int

func (e exitCode) Error() string   { return fmt.Sprintf("command terminated with exit code %d", int(e)) }
func (e exitCode) String() string  { return e.Error() }
func (e exitCode) Exited() bool    { return true }
func (e exitCode) ExitStatus() int { return int(e) }

// inside is a command in a running container's namespaces.
func (r *runtime) inside(ctx context.Context, id string, argv []string) (*exec.Cmd, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil || c.state != runtimev1.ContainerState_CONTAINER_RUNNING {
		return nil, notFound("running container", id)
	}
	spec := shimSpec{Argv: argv, Env: c.env, Dir: "/", Root: r.rootOf(id), MountsOf: c.cmd.Process.Pid}
	if s := r.sandboxes[c.sandbox]; s != nil && s.pause != nil {
		spec.NetworkOf = s.pause.Process.Pid
	}
	return shimCommand(ctx, spec)
}

// finish runs a command and gives its exit code the right type.
func finish(cmd *exec.Cmd) error {
	err := cmd.Start()
	_ = closeAll(cmd.ExtraFiles) // ours are copies
	if err == nil {
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitCode(exit.ExitCode())
	}
	return err
}

// ExecSync is what exec probes and hooks use.
func (r *runtime) ExecSync(ctx context.Context, id string, argv []string, timeout time.Duration) (stdout, stderr []byte, err error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	cmd, err := r.inside(ctx, id, argv)
	if err != nil {
		return nil, nil, err
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = finish(cmd)
	return out.Bytes(), errs.Bytes(), err
}

// Exec runs a command for kubectl exec.
func (s *streamer) Exec(
	ctx context.Context, id string, argv []string, in io.Reader, out, errs io.WriteCloser, tty bool, _ <-chan remotecommand.TerminalSize,
) error {
	cmd, err := s.runtime.inside(ctx, id, argv)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errs
	if tty {
		cmd.Stderr = out
	}
	return finish(cmd)
}

// Attach is not supported.
func (s *streamer) Attach(context.Context, string, io.Reader, io.WriteCloser, io.WriteCloser, bool, <-chan remotecommand.TerminalSize) error {
	return errUnsupported
}

// PortForward connects to a port of a pod.
func (s *streamer) PortForward(ctx context.Context, sandbox string, port int32, stream io.ReadWriteCloser) error {
	s.runtime.mu.Lock()
	pod := s.runtime.sandboxes[sandbox]
	s.runtime.mu.Unlock()
	if pod == nil {
		return notFound("sandbox", sandbox)
	}
	dialer := net.Dialer{Timeout: 3 * time.Second}
	c, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(pod.address, strconv.Itoa(int(port))))
	if err != nil {
		return fmt.Errorf("reach pod: %w", err)
	}
	splice(c, stream)
	return nil
}

// Exec, Attach and PortForward tell the kubelet where the stream is.
func (r *runtime) Exec(_ context.Context, q *runtimev1.ExecRequest) (*runtimev1.ExecResponse, error) {
	return r.stream.server.GetExec(q)
}

// Attach tells where the stream is.
func (r *runtime) Attach(_ context.Context, q *runtimev1.AttachRequest) (*runtimev1.AttachResponse, error) {
	return r.stream.server.GetAttach(q)
}

// PortForward tells where the stream is.
func (r *runtime) PortForward(_ context.Context, q *runtimev1.PortForwardRequest) (*runtimev1.PortForwardResponse, error) {
	return r.stream.server.GetPortForward(q)
}
