// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/testsuite/sandbox"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// readyWithin bounds the wait for a program.
const readyWithin = 30 * time.Second

// Program is a process of Slipway that serves its health.
type Program struct {
	name string
	// URL serves its health and metrics; Log is a file.
	URL, Log string

	cmd  *exec.Cmd
	done chan error
}

// Worker is a worker process.
type Worker = Program

// WorkerOptions of a worker.
type WorkerOptions struct {
	// Env is added to its environment.
	Env map[string]string
	// Kube is another way to the API server, by its URL and the certificate that it shows; empty: the straight one.
	Kube   string
	KubeCA []byte
}

// StartWorker starts a worker with the rights of its service account and returns when it is ready.
func (s *Stage) StartWorker(ctx context.Context, o WorkerOptions) (*Worker, error) {
	config, err := s.WorkerConfig(ctx)
	if err != nil {
		return nil, err
	}
	if o.Kube != "" {
		config.Host, config.CAData, config.CAFile = o.Kube, o.KubeCA, ""
	}
	name := "worker"
	if s.Namespace != "" {
		name = "worker-" + s.Namespace
	}
	kubeconfig, err := s.writeKubeconfig(config, name)
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	environment := map[string]string{
		"SLIPWAY_LISTEN": address, "SLIPWAY_KUBECONFIG": kubeconfig, "SLIPWAY_PROMETHEUS_URL": s.Prometheus,
		"TEMPORAL_ADDRESS": s.Temporal, "TEMPORAL_NAMESPACE": s.Namespace,
		"SLIPWAY_RECORD_DIR":       filepath.Join(s.Dir, "records"),
		"SLIPWAY_APPROVAL_KEYS":    statement.Trusted{Public: s.Key.Public(), For: statement.Anybody}.String(),
		"SLIPWAY_REGISTRY_MIRRORS": s.Registry.mirror(),
	}
	maps.Copy(environment, o.Env)
	return s.start(ctx, &Program{name: name, URL: "http://" + address, cmd: exec.Command(filepath.Join(s.Bin, "worker"))}, environment)
}

// start starts a program and returns when it is ready.
func (s *Stage) start(ctx context.Context, w *Program, environment map[string]string) (*Program, error) {
	w.Log, w.done = filepath.Join(s.Logs, w.name+".log"), make(chan error, 1)
	log, err := os.OpenFile(w.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", w.name, err)
	}
	defer func() { _ = log.Close() }() // the program has its own copy
	w.cmd.Env, w.cmd.Stdout, w.cmd.Stderr = pairs(environment), log, log
	if err := sandbox.StartTied(w.cmd, w.done); err != nil {
		return nil, fmt.Errorf("start %s: %w", w.name, err)
	}
	return w, w.awaitReady(ctx)
}

func (w *Program) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	err := Await(ctx, func(ctx context.Context) error {
		if !w.Alive() {
			return errors.New("it has ended")
		}
		_, err := get(ctx, w.URL+"/readyz")
		return err
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w; its log %s ends with: %s", w.name, err, w.Log, w.lastWords())
	}
	return nil
}

// lastWords are the end of its log.
func (w *Program) lastWords() []byte {
	text, err := os.ReadFile(w.Log)
	if err != nil {
		return []byte(err.Error())
	}
	return text[max(0, len(text)-1000):]
}

// Alive reports whether the process runs.
func (w *Program) Alive() bool { return len(w.done) == 0 }

// Pid of the process.
func (w *Program) Pid() int { return w.cmd.Process.Pid }

// Kill sends SIGKILL and returns when the process is dead.
func (w *Program) Kill() error {
	if err := w.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill %s: %w", w.name, err)
	}
	w.done <- <-w.done // it stays dead for Alive
	return nil
}

// Command is the slipway command line, as somebody would run it.
func (s *Stage) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.Bin, "slipway"), args...)
	cmd.Env = pairs(map[string]string{"TEMPORAL_ADDRESS": s.Temporal, "TEMPORAL_NAMESPACE": s.Namespace, "SLIPWAY_USER": "ada", "SLIPWAY_APPROVAL_KEY": s.Key.Reveal()})
	return cmd
}

// Said is what a command answered.
type Said struct {
	Out, Err string
	Code     int
}

// Slipway runs the command line to its end.
func (s *Stage) Slipway(ctx context.Context, args ...string) (Said, error) {
	cmd := s.Command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return Said{}, fmt.Errorf("run slipway %v: %w", args, err)
	}
	return Said{Out: out.String(), Err: errs.String(), Code: cmd.ProcessState.ExitCode()}, nil
}

// Await looks every 20 ms until look finds no fault, or ctx is done; then the error is the last fault.
func Await(ctx context.Context, look func(context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	return answer(req)
}

// answer is the body of a 200.
func answer(req *http.Request) (string, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s: %s", req.URL, resp.Status, bytes.TrimSpace(text))
	}
	return string(text), nil
}

// freeAddress has a port that no connection is given meanwhile: the kernel takes those of connections from 32768 on.
func freeAddress() (string, error) {
	var last error
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))) //nolint:gosec // anybody may guess it
		if err == nil {
			return l.Addr().String(), l.Close()
		}
		last = err
	}
	return "", fmt.Errorf("find a free port: %w", last)
}

func pairs(environment map[string]string) []string {
	all := map[string]string{"PATH": os.Getenv("PATH"), "HOME": os.Getenv("HOME")}
	maps.Copy(all, environment)
	out := make([]string, 0, len(all))
	for name, value := range all {
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out
}
