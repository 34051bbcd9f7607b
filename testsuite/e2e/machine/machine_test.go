// SPDX-License-Identifier: Apache-2.0

package machine_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

func TestTwoSandboxesRunSideBySide(t *testing.T) {
	dir := emptyDir(t)
	second := open(t, dir)
	makeNamespace(t, second, "only-here")
	_, err := shared.Kube.CoreV1().Namespaces().Get(t.Context(), "only-here", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	addresses := func(s *stage.Stage) []string {
		return []string{s.Gateway, s.Prometheus, s.Temporal, s.TemporalUI, s.Control, s.Kubeconfig, s.Token}
	}
	for i, a := range addresses(second) {
		require.NotEqual(t, addresses(shared)[i], a)
	}
	all := family(t, second.Pid())
	require.NoError(t, second.Stop())
	noneLeft(t, all, dir)
	_, err = ask(t.Context(), shared.Prometheus+"/-/ready", "")
	require.NoError(t, err)
	_, err = sandbox.Open(dir)
	require.ErrorIs(t, err, os.ErrNotExist, "a sandbox that has ended is not found")
}

func TestATakenPortIsRefusedByNamingItsFlag(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	port := taken.Addr().(*net.TCPAddr).Port
	for flag, ports := range map[string]sandbox.Ports{
		"--gateway-port": {Gateway: port}, "--kube-port": {Kube: port}, "--prometheus-port": {Prometheus: port},
		"--temporal-port": {Temporal: port}, "--ui-port": {TemporalUI: port},
	} {
		t.Run(flag, func(t *testing.T) {
			dir := emptyDir(t)
			err := refused(t, sandbox.StartOptions{Dir: dir, Ports: ports})
			require.ErrorContains(t, err, fmt.Sprintf("port %d for ", port))
			require.ErrorContains(t, err, "is taken; give another "+flag+", or 0 for any free one")
			noneLeft(t, nil, dir)
			left, err := filepath.Glob(filepath.Join(dir, "*"))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff([]string{filepath.Join(dir, "lock")}, left), "nothing was started")
		})
	}
}

func TestADirectoryWithoutRoomForSocketsIsRefused(t *testing.T) {
	dir := filepath.Join(emptyDir(t), strings.Repeat("deep/", 14))
	err := refused(t, sandbox.StartOptions{Dir: dir})
	require.ErrorContains(t, err, fmt.Sprintf("the path of %s has %d bytes; sockets below it leave room for 66: give a shorter --dir", dir, len(dir)))
	require.NoDirExists(t, dir)
}

func TestADirectoryInUseIsRefusedAndItsOwnerGoesOn(t *testing.T) {
	before, err := sandbox.Open(shared.Dir)
	require.NoError(t, err)
	err = refused(t, sandbox.StartOptions{Dir: shared.Dir})
	require.ErrorContains(t, err, shared.Dir+" belongs to a sandbox that is running; stop it, or give another --dir")
	require.ErrorContains(t, sandbox.Clear(shared.Dir), "belongs to one that is running; stop it first")
	after, err := sandbox.Open(shared.Dir)
	require.NoError(t, err)
	require.Equal(t, before.Token, after.Token)
	_, err = ask(t.Context(), shared.Prometheus+"/-/ready", "")
	require.NoError(t, err)
}

func TestAKilledDriverLeavesNoProcessAndItsStateIsFoundAgain(t *testing.T) {
	dir := emptyDir(t)
	first := open(t, dir)
	shop, err := first.OpenShop(t.Context(), stage.ShopOptions{Rate: 20})
	require.NoError(t, err)
	shop.Close()
	made := makeNamespace(t, first, "kept")
	run := startWorkflow(t, first, "kept")
	all := family(t, first.Pid())
	require.Greater(t, len(all), 8, "driver, the driver inside, four servers, pods")
	require.NoError(t, syscall.Kill(first.Pid(), syscall.SIGKILL))
	noneLeft(t, all, dir)

	second := open(t, dir)
	got, err := second.Kube.CoreV1().Namespaces().Get(t.Context(), "kept", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, made.UID, got.UID)
	workflowRuns(t, second, "kept", run)
	eventually(t, func(ctx context.Context) error {
		_, err := ask(ctx, second.Gateway, shop.Host)
		return err
	})
	require.NoError(t, second.Stop())
	require.NoError(t, sandbox.Clear(dir))
	require.NoDirExists(t, dir)
}

func TestEachPartComesBackAloneWithItsState(t *testing.T) {
	shop, err := shared.OpenShop(t.Context(), stage.ShopOptions{Namespace: "parts", Rate: 20})
	require.NoError(t, err)
	shop.Close()
	serves := func(ctx context.Context) error {
		text, err := ask(ctx, shared.Gateway, shop.Host)
		if err == nil && text != "shop v1\n" {
			err = fmt.Errorf("the shop says %q", text)
		}
		return err
	}
	made := makeNamespace(t, shared, "kept")
	run := startWorkflow(t, shared, "kept")
	counted := countedBefore(t, shared)
	for part, check := range map[string]struct {
		answers func(context.Context) error
		state   func(*testing.T)
	}{
		"gateway":    {serves, func(*testing.T) {}},
		"prometheus": {counted, func(t *testing.T) { require.NoError(t, counted(t.Context())) }},
		"temporal": {
			func(ctx context.Context) error {
				_, err := temporal(t, shared).DescribeWorkflowExecution(ctx, "kept", "")
				return err
			},
			func(t *testing.T) { workflowRuns(t, shared, "kept", run) },
		},
		"kube": {serves, func(t *testing.T) {
			got, err := shared.Kube.CoreV1().Namespaces().Get(t.Context(), "kept", metav1.GetOptions{})
			require.NoError(t, err)
			require.Equal(t, made.UID, got.UID)
		}},
	} {
		t.Run(part, func(t *testing.T) {
			eventually(t, check.answers)
			require.NoError(t, shared.Kill(t.Context(), part))
			dead, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			require.Error(t, check.answers(dead), "it is dead")
			require.ErrorContains(t, shared.Kill(t.Context(), part), part+" is not running")
			require.NoError(t, shared.StartPart(t.Context(), part))
			require.ErrorContains(t, shared.StartPart(t.Context(), part), part+" is running")
			check.state(t)
			eventually(t, check.answers)
			eventually(t, serves)
		})
	}
}

// countedBefore asks Prometheus for a sample of now, whenever it is asked.
func countedBefore(t *testing.T, s *stage.Stage) func(context.Context) error {
	t.Helper()
	at := time.Now().Format(time.RFC3339)
	return func(ctx context.Context) error {
		text, err := ask(ctx, s.Prometheus+"/api/v1/query?query="+url.QueryEscape("max_over_time(up[1m])")+"&time="+url.QueryEscape(at), "")
		if err == nil && !strings.Contains(text, `"value"`) {
			err = fmt.Errorf("no sample: %s", text)
		}
		return err
	}
}

func TestPodsLeaveNothingInTheHostsDevices(t *testing.T) {
	before := devices(t)
	shop, err := shared.OpenShop(t.Context(), stage.ShopOptions{Namespace: "devices", Rate: 20})
	require.NoError(t, err)
	shop.Close()
	require.Empty(t, cmp.Diff(before, devices(t)))
}

// devices are the host's with the times of their making, as a file is touched by every container.
func devices(t *testing.T) map[string]time.Time {
	t.Helper()
	entries, err := os.ReadDir("/dev")
	require.NoError(t, err)
	out := map[string]time.Time{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			out[e.Name()] = info.ModTime()
		}
	}
	return out
}

func TestOnlyWhoKnowsTheTokenMayKillAPart(t *testing.T) {
	for name, token := range map[string]string{"without a token": "", "with another token": "Bearer x" + shared.Token} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, shared.Control+"/parts/kube/kill", nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", token)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
			require.NoError(t, resp.Body.Close())
		})
	}
	info, err := os.Stat(filepath.Join(shared.Dir, "sandbox.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.ErrorContains(t, shared.Kill(t.Context(), "etcd"), `the sandbox has no part "etcd"; it has kube, gateway, prometheus and temporal`)
}

// TestAMachineWithoutUserNamespacesNamesTheCure runs the driver in a user namespace of a plain user that
// is allowed none below it.
func TestAMachineWithoutUserNamespacesNamesTheCure(t *testing.T) {
	const (
		plain       = 1000
		sysResource = 24 // the capability that may write the limit
	)
	dir := emptyDir(t)
	err := refused(t, sandbox.StartOptions{Dir: dir, Prepare: func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"sh", "-c", `echo 0 >/proc/sys/user/max_user_namespaces && exec "$0" "$@"`}, cmd.Args...)
		cmd.Path = "/bin/sh"
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: plain, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: plain, HostID: os.Getgid(), Size: 1}},
			AmbientCaps: []uintptr{sysResource},
		}
	}})
	require.ErrorContains(t, err, "this machine gives plain users no namespaces (/proc/sys/user/max_user_namespaces is 0): "+
		"run `sudo sysctl user.max_user_namespaces=15000`, or run this as root")
	noneLeft(t, nil, dir)
}

func TestAPlainUserRunsAWholeSandboxWithAShop(t *testing.T) {
	s := openWith(t, plainUser(t))
	if os.Geteuid() == 0 {
		for _, p := range family(t, s.Pid()) {
			var stat syscall.Stat_t
			if syscall.Stat(fmt.Sprintf("/proc/%d", p.pid), &stat) == nil {
				require.EqualValues(t, nobody, stat.Uid, p.command)
			}
		}
	}
	shop, err := s.OpenShop(t.Context(), stage.ShopOptions{Rate: 20})
	require.NoError(t, err)
	defer shop.Close()
	startWorkflow(t, s, "any")
	require.NoError(t, s.Kill(t.Context(), "kube"))
	require.NoError(t, s.StartPart(t.Context(), "kube"))
	eventually(t, func(ctx context.Context) error {
		_, err := ask(ctx, s.Gateway, shop.Host)
		return err
	})
	require.NoError(t, shop.Incident(stage.Faults{ErrorRate: 1}))
	eventually(t, func(ctx context.Context) error {
		if _, err := ask(ctx, s.Gateway, shop.Host); err == nil {
			return fmt.Errorf("the shop does not see its faults")
		}
		return nil
	})
}

// nobody is the user that root lends to a sandbox.
const nobody = 65534

// plainUser are options of a sandbox that a plain user runs: the one that runs the tests or, where that
// is root, nobody, with a copy of what it reads, since it may read neither root's home nor this repository.
func plainUser(t *testing.T) stage.Options {
	t.Helper()
	dir := emptyDir(t)
	o := stage.Options{Repository: repository, Dir: filepath.Join(dir, "state"), Out: t.Output()}
	if os.Geteuid() != 0 {
		return o
	}
	caches, err := os.UserCacheDir()
	require.NoError(t, err)
	o.Repository = filepath.Join(dir, "repository")
	for from, to := range map[string]string{
		filepath.Join(repository, "bin"):                  filepath.Join(o.Repository, "bin"),
		filepath.Join(repository, "deploy"):               filepath.Join(o.Repository, "deploy"),
		filepath.Join(repository, "testsuite", "sandbox"): filepath.Join(o.Repository, "testsuite", "sandbox"),
		filepath.Join(caches, "slipway", "sandbox"):       filepath.Join(dir, "cache", "slipway", "sandbox"),
	} {
		lend(t, from, to)
	}
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Mkdir(o.Dir, 0o755))
	require.NoError(t, os.Chown(o.Dir, nobody, nobody))
	o.Prepare = func(cmd *exec.Cmd) {
		cmd.Env = []string{"HOME=" + dir, "XDG_CACHE_HOME=" + filepath.Join(dir, "cache"), "PATH=" + os.Getenv("PATH")}
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return o
}

// lend links every file of a directory, or copies it where that cannot be.
func lend(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if os.Link(path, target) == nil {
			return nil
		}
		return duplicate(path, target)
	}))
}

// duplicate keeps mode and time, by which the cache knows a program.
func duplicate(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}
