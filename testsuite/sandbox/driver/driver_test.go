// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

func TestFlagsAndWordsComeInAnyOrder(t *testing.T) {
	want := flags{dir: "/state", source: "/source", ports: sandbox.Ports{Gateway: 8080, TemporalUI: 8233}}
	for _, args := range [][]string{
		{"image", "v2", "A=1", "--dir", "/state", "--source=/source", "--gateway-port=8080", "--ui-port=8233"},
		{"image", "--dir=/state", "v2", "--gateway-port", "8080", "A=1", "--ui-port=8233", "--source", "/source"},
	} {
		f, words, err := parse(args)
		require.NoError(t, err)
		require.Equal(t, want, f)
		require.Equal(t, []string{"v2", "A=1"}, words)
	}
}

func TestRelativeDirectoriesAreSeenFromHere(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	f, _, err := parse([]string{"up"})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(here, ".sandbox"), f.dir)
	require.Equal(t, filepath.Join(here, "testsuite/sandbox"), f.source)
}

func TestAWrongCommandSaysWhatIsRight(t *testing.T) {
	empty := t.TempDir()
	tests := map[string]struct {
		args []string
		want string
	}{
		"no command":              {nil, "say what to do: build, up, kill, start or image"},
		"an unknown command":      {[]string{"boot"}, `"boot" is not a command; there are build, up, kill, start and image`},
		"an unknown flag":         {[]string{"up", "--port", "1"}, "flag provided but not defined: -port"},
		"no part to kill":         {[]string{"kill"}, "name one part to kill: kube, gateway, prometheus or temporal"},
		"two parts to start":      {[]string{"start", "kube", "gateway"}, "name one part to start"},
		"an image without a name": {[]string{"image"}, "name the version: image v2 ERROR_RATE=0.05"},
		"no sandbox to speak to":  {[]string{"kill", "kube", "--dir", empty}, "open sandbox: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { require.ErrorContains(t, run(t.Context(), tt.args), tt.want) })
	}
}

func TestATakenPortNamesItsFlag(t *testing.T) {
	tests := map[string]func(port int) sandbox.Ports{
		"--gateway-port":    func(p int) sandbox.Ports { return sandbox.Ports{Gateway: p} },
		"--kube-port":       func(p int) sandbox.Ports { return sandbox.Ports{Kube: p} },
		"--prometheus-port": func(p int) sandbox.Ports { return sandbox.Ports{Prometheus: p} },
		"--temporal-port":   func(p int) sandbox.Ports { return sandbox.Ports{Temporal: p} },
		"--ui-port":         func(p int) sandbox.Ports { return sandbox.Ports{TemporalUI: p} },
	}
	for name, ports := range tests {
		t.Run(name, func(t *testing.T) {
			port := listen(t).Addr().(*net.TCPAddr).Port
			_, err := open(ports(port))
			require.ErrorContains(t, err, fmt.Sprintf("port %d for ", port))
			require.ErrorContains(t, err, "is taken; give another "+name+", or 0 for any free one")
		})
	}
}

func TestPortZeroIsAnyFreeOne(t *testing.T) {
	openings, err := open(sandbox.Ports{})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, o := range openings {
		seen[o.address()] = true
		require.NoError(t, o.listener.Close())
	}
	require.Len(t, seen, 6)
}

func TestADirectoryIsClaimedByOneDriver(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	unlock, err := claim(dir)
	require.NoError(t, err)
	_, err = claim(dir)
	require.ErrorContains(t, err, dir+" belongs to a sandbox that is running; stop it, or give another --dir")
	description := filepath.Join(dir, "sandbox.json")
	require.NoError(t, os.WriteFile(description, []byte("{}"), 0o600))
	unlock()
	require.NoFileExists(t, description)

	require.NoError(t, os.WriteFile(description, []byte("left by a driver that was killed"), 0o600))
	unlock, err = claim(dir)
	require.NoError(t, err)
	require.NoFileExists(t, description)
	unlock()
}

func TestWhyThereAreNoNamespacesIsExplained(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	tests := map[string]struct {
		rootless bool
		root     fs.FS
		want     string
	}{
		"root in a plain container": {false, fstest.MapFS{}, "--privileged"},
		"no user namespaces at all": {
			true, fstest.MapFS{"proc/sys/user/max_user_namespaces": file("0\n")}, "sudo sysctl user.max_user_namespaces=15000",
		},
		"Debian's switch is off": {
			true, fstest.MapFS{
				"proc/sys/user/max_user_namespaces":         file("15000\n"),
				"proc/sys/kernel/unprivileged_userns_clone": file("0\n"),
			}, "sudo sysctl kernel.unprivileged_userns_clone=1",
		},
		"Ubuntu's AppArmor forbids them": {
			true,
			fstest.MapFS{"proc/sys/kernel/apparmor_restrict_unprivileged_userns": file("1\n")},
			"(/proc/sys/kernel/apparmor_restrict_unprivileged_userns is 1)",
		},
		"nothing to be seen": {true, fstest.MapFS{}, "allow them to plain users, or run this as root"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, explain(syscall.EPERM, tt.rootless, tt.root), tt.want)
		})
	}
}

func TestOnlyWhoKnowsTheTokenIsServed(t *testing.T) {
	h := guarded(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), "secret")
	for header, want := range map[string]int{"": 401, "secret": 401, "Bearer ": 401, "Bearer Secret": 401, "Bearer secret": 418} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/parts", nil)
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, header)
	}
}

func TestConnectionsAreHandedThroughWithTheirEnds(t *testing.T) {
	echo := listen(t)
	go func() {
		c, err := echo.Accept()
		if err == nil {
			_, err = io.Copy(c, c)
			_ = errors.Join(err, c.Close())
		}
	}()
	front := listen(t)
	go forward(front, echo.Addr().String())
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", front.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(c, "hello")
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	text, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, "hello", string(text))
	require.NoError(t, c.Close())
}

func TestAConnectionToNothingIsClosedAtOnce(t *testing.T) {
	gone := listen(t)
	require.NoError(t, gone.Close())
	front := listen(t)
	go forward(front, gone.Addr().String())
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", front.Addr().String())
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, c.Close())
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}
