// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

// innerArg is how the driver calls itself in its namespaces.
const innerArg = "__inner"

// opening is a listener on the host whose connections go to an address inside.
type opening struct {
	name, flag, target string
	port               int
	listener           *net.TCPListener
}

// order is what the outer process tells the inner one.
type order struct {
	Dir      string
	Programs map[string]string
	// Targets are the addresses inside, in the order of the listeners.
	Targets     []string
	Description sandbox.Sandbox
	// KubeURL is the Kubernetes API as the host sees it.
	KubeURL  string
	Began    time.Time
	Rootless bool
}

// The files that the inner process gets, from 3 on.
const (
	lifeFile  = 3 // closed when the outer process dies
	orderFile = 4
	firstFile = 5 // the listeners, the control listener last
)

// longestDir is how many bytes leave room for the kubelet's sockets below a directory, whose paths the
// kernel limits to 107: "/kube/kubelet/device-plugins/kubelet.sock" has 41.
const longestDir = 66

func up(ctx context.Context, f flags) error {
	if n := len(f.dir); n > longestDir {
		return fmt.Errorf("the path of %s has %d bytes; sockets below it leave room for %d: give a shorter --dir", f.dir, n, longestDir)
	}
	programs, err := build(ctx, f)
	if err != nil {
		return err
	}
	unlock, err := claim(f.dir)
	if err != nil {
		return err
	}
	defer unlock()
	began := time.Now()
	openings, err := open(f.ports)
	if err != nil {
		return err
	}
	o := order{Dir: f.dir, Programs: programs, Began: began, Rootless: os.Geteuid() != 0, Description: describe(f.dir, programs, openings)}
	o.KubeURL = "https://" + openings[1].address()
	for _, opening := range openings {
		o.Targets = append(o.Targets, opening.target)
	}
	return supervise(ctx, o, openings)
}

// claim takes a directory for this driver alone, and removes what an earlier one left behind.
func claim(dir string) (func(), error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s belongs to a sandbox that is running; stop it, or give another --dir", dir), lock.Close())
	}
	description := filepath.Join(dir, "sandbox.json")
	if err := os.Remove(description); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("remove old description: %w", err), lock.Close())
	}
	return func() { _ = errors.Join(os.RemoveAll(description), lock.Close()) }, nil
}

// open takes every port before anything is started.
func open(p sandbox.Ports) ([]*opening, error) {
	openings := []*opening{
		{name: "the gateway", flag: "--gateway-port", target: "127.0.0.1:8000", port: p.Gateway},
		{name: "the Kubernetes API", flag: "--kube-port", target: "127.0.0.1:6443", port: p.Kube},
		{name: "Prometheus", flag: "--prometheus-port", target: "127.0.0.1:9090", port: p.Prometheus},
		{name: "Temporal", flag: "--temporal-port", target: "127.0.0.1:7233", port: p.Temporal},
		{name: "Temporal's UI", flag: "--ui-port", target: "127.0.0.1:8233", port: p.TemporalUI},
		{name: "the driver"},
	}
	for _, o := range openings {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: o.port})
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("port %d for %s is taken; give another %s, or 0 for any free one", o.port, o.name, o.flag)
		}
		if err != nil {
			return nil, fmt.Errorf("listen for %s: %w", o.name, err)
		}
		o.listener = l
	}
	return openings, nil
}

func describe(dir string, programs map[string]string, o []*opening) sandbox.Sandbox {
	return sandbox.Sandbox{
		Kubeconfig: filepath.Join(dir, "kubeconfig"), Images: filepath.Join(dir, "images"), Logs: filepath.Join(dir, "logs"),
		Shop: programs["shop"], Gateway: "http://" + o[0].address(), Prometheus: "http://" + o[2].address(),
		Temporal: o[3].address(), TemporalUI: "http://" + o[4].address(), Control: "http://" + o[5].address(), Token: rand.Text(),
	}
}

func (o *opening) address() string { return o.listener.Addr().String() }

// supervise runs the inner process to its end.
func supervise(ctx context.Context, o order, openings []*opening) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	lifeRead, lifeWrite, err1 := os.Pipe()
	orderRead, orderWrite, err2 := os.Pipe()
	text, err3 := json.Marshal(o)
	if err := errors.Join(err1, err2, err3); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	cmd := exec.Command(self, innerArg)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{lifeRead, orderRead}
	for _, opening := range openings {
		file, err := opening.listener.File()
		if err != nil {
			return fmt.Errorf("hand over %s: %w", opening.name, err)
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	cmd.SysProcAttr = namespaces(o.Rootless)
	if o.Rootless {
		cmd.Env = append(os.Environ(), "SANDBOX_ROOTLESS=1")
	}
	// The kernel ties the child to the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return explain(err, o.Rootless, os.DirFS("/"))
	}
	_ = errors.Join(lifeRead.Close(), orderRead.Close())
	if _, err := orderWrite.Write(text); err != nil {
		return errors.Join(fmt.Errorf("hand over the order: %w", err), cmd.Process.Kill())
	}
	if err := orderWrite.Close(); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		_ = lifeWrite.Close()
		err = <-ended
	}
	if err != nil && ctx.Err() == nil {
		return errors.New("the sandbox ended; what it said is above")
	}
	return nil
}

func namespaces(rootless bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	if rootless {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return a
}

// explain says why a machine gives no namespaces, as far as its files tell.
func explain(err error, rootless bool, root fs.FS) error {
	if !rootless {
		return fmt.Errorf("make namespaces: %w; inside a container it takes one that may do so (--privileged)", err)
	}
	for _, knob := range []struct{ file, bad, cure string }{
		{"proc/sys/user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=15000"},
		{"proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl kernel.unprivileged_userns_clone=1"},
		{"proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
	} {
		if text, rerr := fs.ReadFile(root, knob.file); rerr == nil && strings.TrimSpace(string(text)) == knob.bad {
			return fmt.Errorf("this machine gives plain users no namespaces (/%s is %s): run `%s`, or run this as root", knob.file, knob.bad, knob.cure)
		}
	}
	return fmt.Errorf("make user namespaces: %w; allow them to plain users, or run this as root", err)
}
