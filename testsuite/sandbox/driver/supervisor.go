// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

const (
	// bootWithin bounds the wait for each part.
	bootWithin = time.Minute
	// stopWithin is how long parts may take to end before they are killed.
	stopWithin = 10 * time.Second
)

// program is one part: how to start it, and how to tell that it is ready.
type program struct {
	name string
	args []string
	env  []string
	// health is a URL inside; without one the program prints "ready".
	health string
	// apart gives it a pid namespace of its own: what it starts dies with it.
	apart bool

	mu       sync.Mutex
	cmd      *exec.Cmd
	ready    chan struct{}
	done     chan struct{}
	restarts int
}

// supervisor owns the parts.
type supervisor struct {
	dir string
	// built are the programs by the name of their part.
	built    map[string]string
	programs []*program
}

func newSupervisor(o order) *supervisor {
	at := func(name string) string { return filepath.Join(o.Dir, name) }
	inside := "KUBECONFIG=" + at("kube/inner.kubeconfig")
	return &supervisor{dir: o.Dir, built: o.Programs, programs: []*program{
		{name: "temporal", args: []string{o.Programs["temporal"], "--db", at("temporal.db")}},
		{name: "kube", apart: true, args: []string{
			o.Programs["kube"], "--dir", at("kube"), "--images", o.Description.Images, "--kubeconfig", o.Description.Kubeconfig,
			"--crds", at("crds"), "--external", o.KubeURL,
		}},
		{name: "gateway", env: []string{inside}, health: "http://127.0.0.1:8081/ping", args: []string{
			o.Programs["gateway"], "--providers.kubernetesgateway=true", "--providers.kubernetesgateway.statusaddress.ip=10.244.0.1",
			"--providers.kubernetescrd=true", "--providers.kubernetesingressnginx=true", "--providers.kubernetesingressnginx.httpentrypoint=web",
			"--providers.file.filename=" + at("gateway.yml"), "--providers.file.watch=false",
			"--providers.providersthrottleduration=50ms", "--entrypoints.web.address=:8000", "--entrypoints.traefik.address=127.0.0.1:8081",
			"--api.dashboard=false", "--ping=true", "--log.level=ERROR", "--global.checknewversion=false", "--global.sendanonymoususage=false",
			"--metrics.prometheus=true", "--metrics.prometheus.buckets=0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10",
		}},
		{name: "prometheus", health: "http://127.0.0.1:9090/-/ready", args: []string{
			o.Programs["prometheus"], "--config.file=" + at("prometheus.yml"), "--storage.tsdb.path=" + at("prometheus"),
			"--web.listen-address=127.0.0.1:9090", "--storage.tsdb.no-lockfile", "--log.level=error",
		}},
	}}
}

// boot starts Temporal and Kubernetes side by side, then what needs Kubernetes.
func (s *supervisor) boot(ctx context.Context) error {
	if err := errors.Join(writePrometheusConfig(s.dir), writeGatewayConfig(s.dir), sandbox.GatherCRDs(filepath.Join(s.dir, "crds"), s.built)); err != nil {
		return err
	}
	for _, group := range [][]string{{"temporal", "kube"}, {"gateway", "prometheus"}} {
		errs := make(chan error, len(group))
		for _, name := range group {
			go func() { errs <- s.start(ctx, name) }()
		}
		var err error
		for range group {
			err = errors.Join(err, <-errs)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *supervisor) find(name string) (*program, error) {
	i := slices.IndexFunc(s.programs, func(p *program) bool { return p.name == name })
	if i < 0 {
		return nil, fmt.Errorf("the sandbox has no part %q; it has kube, gateway, prometheus and temporal", name)
	}
	return s.programs[i], nil
}

// start returns when the part is ready.
func (s *supervisor) start(ctx context.Context, name string) error {
	p, err := s.find(name)
	if err != nil {
		return err
	}
	if p.alive() {
		return fmt.Errorf("%s is running", name)
	}
	if err := p.launch(s.log(name)); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	if err := p.await(ctx); err != nil {
		return fmt.Errorf("%s %w; the end of its log:\n%s\nall of it: %s", name, err, s.lastWords(name), s.log(name))
	}
	return nil
}

func (s *supervisor) log(name string) string { return filepath.Join(s.dir, "logs", name+".log") }

func (s *supervisor) lastWords(name string) string {
	text, err := os.ReadFile(s.log(name))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// kill returns when the part is dead.
func (s *supervisor) kill(name string) error {
	p, err := s.find(name)
	if err != nil {
		return err
	}
	if !p.alive() {
		return fmt.Errorf("%s is not running", name)
	}
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	<-p.done
	return nil
}

// stop ends every part, the last started first.
func (s *supervisor) stop() {
	deadline := time.After(stopWithin)
	for _, p := range slices.Backward(s.programs) {
		if p.alive() {
			_ = p.cmd.Process.Signal(syscall.SIGTERM) // it is killed in the end
		}
	}
	for _, p := range s.programs {
		if p.done == nil {
			continue
		}
		select {
		case <-p.done:
		case <-deadline:
			return // leaving ends the pid namespace, and with it what is left
		}
	}
}

// launch starts the process with its output in a log.
func (p *program) launch(log string) error {
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		p.restarts++
	}
	p.ready, p.done = make(chan struct{}), make(chan struct{})
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Env = append(withoutKubernetes(os.Environ()), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = &readyWriter{to: file, ready: p.ready}, file
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.apart {
		p.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	}
	if err := p.cmd.Start(); err != nil {
		return errors.Join(err, file.Close())
	}
	cmd, done := p.cmd, p.done
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		_ = file.Close()
		close(done)
	}()
	return nil
}

// withoutKubernetes drops what would make a program believe that it runs in a pod.
func withoutKubernetes(env []string) []string {
	return slices.DeleteFunc(env, func(e string) bool {
		return strings.HasPrefix(e, "KUBERNETES_") || strings.HasPrefix(e, "KUBECONFIG=")
	})
}

// alive reports whether the process runs.
func (p *program) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// await waits until the part is ready, has died, or is late.
func (p *program) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.ready:
			return nil
		case <-p.done:
			return errors.New("ended during its start")
		case <-ctx.Done():
			return fmt.Errorf("was not ready within %s", bootWithin)
		case <-tick.C:
			if p.health != "" && healthy(ctx, p.health) {
				return nil
			}
		}
	}
}

func healthy(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// readyWriter passes output on and notices a line that says "ready".
type readyWriter struct {
	to    *os.File
	ready chan struct{}
	once  sync.Once
}

func (w *readyWriter) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		if string(bytes.TrimSpace(line)) == "ready" {
			w.once.Do(func() { close(w.ready) })
		}
	}
	return w.to.Write(b)
}
