// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The shim is this program started again: it enters a pod's namespaces and becomes the container's
// program, or stays as the pod's pause process.
const (
	shimArg  = "__container"
	pauseArg = "pause"
)

type shimMount struct{ Source, Target string }

// shimSpec says what to become. It travels through a pipe: an environment may be larger than a command
// line, and is nobody else's business.
type shimSpec struct {
	Argv, Env []string
	Dir       string
	// Root is where the file system is built; with MountsOf it is the root of that process.
	Root   string
	Mounts []shimMount
	// NetworkOf and MountsOf are processes whose namespaces to join; 0: none.
	NetworkOf, MountsOf int
}

// shimCommand is ready to start. Its extra file is the caller's to close afterwards.
func shimCommand(ctx context.Context, spec shimSpec) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode shim: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	go func() {
		_, _ = write.Write(text) // a shim that died reports its own death
		_ = write.Close()
	}()
	cmd := exec.CommandContext(ctx, self, shimArg)
	cmd.Env, cmd.Dir, cmd.ExtraFiles = spec.Env, "/", []*os.File{read}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, nil
}

func shimMain(args []string) {
	goruntime.LockOSThread()
	err := errors.New("no such shim")
	switch {
	case len(args) == 0:
		err = become()
	case args[0] == pauseArg && len(args) == 2:
		err = pause(args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "container start:", err)
		os.Exit(127)
	}
}

// become does not return unless it fails.
func become() error {
	var spec shimSpec
	pipe := os.NewFile(3, "spec")
	text, err := io.ReadAll(pipe)
	if err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	if err := errors.Join(pipe.Close(), json.Unmarshal(text, &spec)); err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	if err := enter(spec); err != nil {
		return err
	}
	if err := os.Chdir(spec.Dir); err != nil {
		return fmt.Errorf("enter working directory: %w", err)
	}
	program := spec.Argv[0]
	if !strings.Contains(program, "/") {
		if program, err = exec.LookPath(program); err != nil {
			return err
		}
	}
	return syscall.Exec(program, spec.Argv, spec.Env)
}

func enter(spec shimSpec) error {
	if spec.NetworkOf > 0 {
		if err := join(spec.NetworkOf, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter pod network: %w", err)
		}
	}
	if spec.MountsOf == 0 {
		return buildRoot(spec)
	}
	// A thread may enter a mount namespace only with a working directory of its own.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := join(spec.MountsOf, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter container mounts: %w", err)
	}
	return unix.Chroot(spec.Root)
}

// join goes by pidfd: in a pid namespace of our own, /proc may be another's.
func join(pid, kind int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	return errors.Join(unix.Setns(fd, kind), unix.Close(fd))
}

// hostPaths are seen by every container: there is no image to bring them.
func hostPaths() []string {
	return []string{
		"/usr", "/bin", "/lib", "/lib64", "/sbin", "/dev", "/proc", "/sys",
		"/etc/ssl", "/etc/passwd", "/etc/group", "/etc/resolv.conf", "/etc/ld.so.cache",
	}
}

// buildRoot makes a file system of the host's system directories and the pod's volumes.
func buildRoot(spec shimSpec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := os.MkdirAll(spec.Root, 0o755); err != nil {
		return fmt.Errorf("make root: %w", err)
	}
	if err := unix.Mount("tmpfs", spec.Root, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount root: %w", err)
	}
	binds := make([]shimMount, 0, 20)
	for _, p := range hostPaths() {
		binds = append(binds, shimMount{p, p})
	}
	if filepath.IsAbs(spec.Argv[0]) {
		dir := filepath.Dir(spec.Argv[0])
		binds = append(binds, shimMount{dir, dir})
	}
	for _, m := range append(binds, spec.Mounts...) {
		if err := bind(m.Source, filepath.Join(spec.Root, m.Target)); err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	if err := os.MkdirAll(filepath.Join(spec.Root, "tmp"), 0o777); err != nil {
		return fmt.Errorf("make /tmp: %w", err)
	}
	return unix.Chroot(spec.Root)
}

// bind shows source at target; what this host does not have is left out.
func bind(source, target string) error {
	info, err := os.Stat(source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else {
		err = errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.WriteFile(target, nil, 0o644))
	}
	if err != nil {
		return err
	}
	return unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}
