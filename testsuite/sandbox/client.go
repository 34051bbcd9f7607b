// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Sandbox is a running sandbox as its driver describes it in "sandbox.json".
type Sandbox struct {
	// Kubeconfig is a file, for an administrator outside the sandbox.
	Kubeconfig string `json:"kubeconfig"`
	// Gateway, Prometheus and TemporalUI are URLs; Temporal is host:port.
	Gateway    string `json:"gateway"`
	Prometheus string `json:"prometheus"`
	Temporal   string `json:"temporal"`
	TemporalUI string `json:"temporal_ui"`
	// Images and Logs are directories; Shop is the sample service's program.
	Images string `json:"images"`
	Logs   string `json:"logs"`
	Shop   string `json:"shop"`
	// Ready is how long the boot took, in seconds.
	Ready float64 `json:"ready_seconds"`
	// Control is the driver's URL and Token its password.
	Control string `json:"control"`
	Token   string `json:"token"`

	driver *exec.Cmd
	done   chan error
}

// Ports of the host's loopback interface; 0 is any free one.
type Ports struct{ Gateway, Kube, Prometheus, Temporal, TemporalUI int }

// StartOptions of a sandbox.
type StartOptions struct {
	// Driver is the driver's program, Source the directory of this package; Dir holds all state and is
	// made if it is missing.
	Driver, Source, Dir string
	Ports               Ports
	// Out gets what the driver says.
	Out io.Writer
	// Prepare may change how the driver is started, such as its user or its environment.
	Prepare func(*exec.Cmd)
}

// Start starts a driver and returns when everything is ready. The sandbox ends with this process,
// however it ends, or by Stop.
func Start(ctx context.Context, o StartOptions) (*Sandbox, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find sandbox directory: %w", err)
	}
	stale := "" // the token of a description that an earlier driver has left, or of one that is running
	if old, err := Open(dir); err == nil {
		stale = old.Token
	}
	var complaint bytes.Buffer
	cmd := exec.Command(o.Driver, "up", "--dir", dir, "--source", o.Source,
		fmt.Sprintf("--gateway-port=%d", o.Ports.Gateway), fmt.Sprintf("--kube-port=%d", o.Ports.Kube),
		fmt.Sprintf("--prometheus-port=%d", o.Ports.Prometheus), fmt.Sprintf("--temporal-port=%d", o.Ports.Temporal),
		fmt.Sprintf("--ui-port=%d", o.Ports.TemporalUI))
	cmd.Stdout, cmd.Stderr = o.Out, &complaint
	if o.Prepare != nil {
		o.Prepare(cmd)
	}
	done := make(chan error, 1)
	if err := StartTied(cmd, done); err != nil {
		return nil, fmt.Errorf("start driver: %w", err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			err := cmd.Process.Signal(syscall.SIGTERM)
			<-done //nolint:errcheck // how a driver ends that was told to is of no interest
			return nil, errors.Join(ctx.Err(), err)
		case err := <-done:
			return nil, fmt.Errorf("start sandbox: %w\n%s", err, bytes.TrimSpace(complaint.Bytes()))
		case <-tick.C:
		}
		s, err := Open(dir)
		if err != nil || s.Token == stale {
			continue // a driver puts a whole description in place when all is ready
		}
		s.driver, s.done = cmd, done
		return s, nil
	}
}

// StartTied starts a command that dies with this process, and sends its end to done. The kernel ties a
// child to the thread that started it, so that thread is kept until the child has ended.
func StartTied(cmd *exec.Cmd, done chan<- error) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig, cmd.SysProcAttr.Setpgid = syscall.SIGKILL, true
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	return <-started
}

// Open finds a sandbox that another process has started.
func Open(dir string) (*Sandbox, error) {
	text, err := os.ReadFile(filepath.Join(dir, "sandbox.json"))
	if err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	s := &Sandbox{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	return s, nil
}

// Stop ends everything, in order. It may be called again, and after the driver was killed.
func (s *Sandbox) Stop() error {
	if s.driver == nil {
		return errors.New("stop sandbox: another process has started it")
	}
	if err := s.driver.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop sandbox: %w", err)
	}
	s.done <- <-s.done // it stays ended
	return nil
}

// Pid of the driver.
func (s *Sandbox) Pid() int { return s.driver.Process.Pid }

// Kill sends SIGKILL to a part and returns when it is dead; it stays dead until StartPart.
func (s *Sandbox) Kill(ctx context.Context, part string) error { return s.control(ctx, part, "kill") }

// Inside is how an address of the cluster's own network, such as that of a Service and its port, is
// reached from the host: by this URL with this header.
func (s *Sandbox) Inside(address string) (string, http.Header) {
	return s.Control + "/cluster/" + address + "/", http.Header{"Authorization": {"Bearer " + s.Token}}
}

// StartPart starts a part that was killed and returns when it is ready.
func (s *Sandbox) StartPart(ctx context.Context, part string) error {
	return s.control(ctx, part, "start")
}

func (s *Sandbox) control(ctx context.Context, part, deed string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Control+"/parts/"+part+"/"+deed, nil)
	if err != nil {
		return fmt.Errorf("%s %s: %w", deed, part, err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", deed, part, err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("%s %s: %w", deed, part, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", deed, part, bytes.TrimSpace(text))
	}
	return nil
}

// Clear removes a sandbox's directory, if none is running on it.
func Clear(dir string) error {
	lock, err := os.Open(filepath.Join(dir, "lock"))
	if errors.Is(err, os.ErrNotExist) {
		return os.RemoveAll(dir)
	}
	if err != nil {
		return fmt.Errorf("clear sandbox: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("clear sandbox: %s belongs to one that is running; stop it first", dir), lock.Close())
	}
	return errors.Join(os.RemoveAll(dir), lock.Close())
}
