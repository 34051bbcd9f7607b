// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

// inner is process 1 of the sandbox's namespaces.
func inner(ctx context.Context) error {
	o, err := readOrder()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(lifeFile, "life")) // ends when the outer process does
		stop()
	}()
	if err := settle(o.Dir); err != nil {
		return err
	}
	for i, target := range o.Targets[:len(o.Targets)-1] {
		l, err := listener(firstFile + i)
		if err != nil {
			return err
		}
		go forward(l, target)
	}
	controls, err := listener(firstFile + len(o.Targets) - 1)
	if err != nil {
		return err
	}
	s := newSupervisor(o)
	defer s.stop()
	if err := s.boot(ctx); err != nil {
		return err
	}
	go serve(controls, s, o.Description.Token)
	if err := announce(o); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func readOrder() (order, error) {
	var o order
	text, err := io.ReadAll(os.NewFile(orderFile, "order"))
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		return o, fmt.Errorf("read order: %w", err)
	}
	return o, nil
}

// settle keeps the mounts of this namespace to itself, shows its own processes in /proc, gives it a /dev
// of its own, and brings the loopback interface up.
func settle(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := ownDevices(filepath.Join(dir, "dev")); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	lo, err := unix.NewIfreq("lo")
	if err == nil {
		lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		err = unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo)
	}
	if err := errors.Join(err, unix.Close(socket)); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// ownDevices mounts a /dev that containers may write into, as they do for their termination message: a
// plain user may not write into the host's, and root should leave nothing there. It is put together at
// staging first.
func ownDevices(staging string) error {
	if err := os.MkdirAll(staging, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", staging, "tmpfs", unix.MS_NOSUID, "mode=0755"); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "kmsg", "pts", "shm"} {
		if err := show(filepath.Join("/dev", name), filepath.Join(staging, name)); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		if err := os.Symlink(to, filepath.Join(staging, name)); err != nil {
			return err
		}
	}
	return unix.Mount(staging, "/dev", "", unix.MS_MOVE, "")
}

// show binds a device or a directory of devices; what this host does not have is left out.
func show(source, target string) error {
	info, err := os.Stat(source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.IsDir() {
		err = os.Mkdir(target, 0o755)
	} else if err == nil {
		err = os.WriteFile(target, nil, 0o600)
	}
	if err != nil {
		return err
	}
	return unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}

func listener(fd int) (net.Listener, error) {
	file := os.NewFile(uintptr(fd), "listener")
	l, err := net.FileListener(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("take over listener: %w", err)
	}
	return l, nil
}

// announce tells that everything is ready, to people and to programs.
func announce(o order) error {
	d := o.Description
	d.Ready = time.Since(o.Began).Round(10 * time.Millisecond).Seconds()
	text, err := json.MarshalIndent(struct{ sandbox.Sandbox }{d}, "", "  ")
	if err != nil {
		return fmt.Errorf("describe sandbox: %w", err)
	}
	file := filepath.Join(o.Dir, "sandbox.json")
	if err := errors.Join(os.WriteFile(file+".new", append(text, '\n'), 0o600), os.Rename(file+".new", file)); err != nil {
		return fmt.Errorf("describe sandbox: %w", err)
	}
	fmt.Printf("sandbox ready in %.1f s\n", d.Ready)
	return nil
}
