// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// NeedsDisk is how many bytes a build from nothing may take: the compiler's own cache is most of it.
const NeedsDisk = 12 << 30

// Builder builds parts and keeps them.
type Builder struct {
	// Source is the directory of this package's source, with the parts below it.
	Source string
	// Cache is where programs are kept; default: slipway/sandbox below the user's cache directory.
	Cache string
	// Out is told what is built and how long it takes.
	Out io.Writer
	// Compile builds a part's target in dir into the file out; default: the go command.
	Compile func(ctx context.Context, part Part, dir, out string) error
	// Free tells how many bytes are free below a directory; default: the file system's answer.
	Free func(dir string) (uint64, error)
}

// stamp is written last into an entry: without it, or where it does not fit, the entry is half-written.
type stamp struct {
	SHA256 string    `json:"sha256"`
	Size   int64     `json:"size"`
	Time   time.Time `json:"time"`
}

// Build returns the program of each part by its name, building those that are not in the cache. It may
// be killed at any time; a second builder waits for the first.
func (b Builder) Build(ctx context.Context, parts ...Part) (map[string]string, error) {
	b, err := b.defaults()
	if err != nil {
		return nil, err
	}
	programs, missing := map[string]string{}, []Part{}
	minutes := 0
	for _, p := range parts {
		entry, err := b.entry(p)
		if err != nil {
			return nil, err
		}
		programs[p.Name] = filepath.Join(entry, p.Name)
		if b.sound(entry, p) != nil {
			missing = append(missing, p)
			minutes += p.Minutes
		} else if err := b.copyCRDs(ctx, p, programs[p.Name]); err != nil {
			return nil, err
		}
	}
	if len(missing) == 0 {
		return programs, nil
	}
	b.say("building %d of the sandbox's %d programs: about %d minutes on two cores, only this once", len(missing), len(parts), minutes)
	// Two at a time: while one downloads or links, which takes one core or none, the other compiles.
	builds, ctx := errgroup.WithContext(ctx)
	builds.SetLimit(2)
	for i, p := range missing {
		builds.Go(func() error {
			if err := b.build(ctx, p, fmt.Sprintf("%d of %d", i+1, len(missing))); err != nil {
				return fmt.Errorf("build %s: %w", p.Name, err)
			}
			return nil
		})
	}
	return programs, builds.Wait()
}

// lines writes one line at a time, whoever says it.
type lines struct {
	mu sync.Mutex
	to io.Writer
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

func (b Builder) defaults() (Builder, error) {
	if b.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return b, fmt.Errorf("find the cache directory: %w; set HOME or XDG_CACHE_HOME", err)
		}
		b.Cache = filepath.Join(dir, "slipway", "sandbox")
	}
	if b.Out == nil {
		b.Out = io.Discard
	}
	b.Out = &lines{to: b.Out}
	if b.Compile == nil {
		b.Compile = b.compile
	}
	if b.Free == nil {
		b.Free = freeBytes
	}
	return b, nil
}

// entry is the directory of a part as its sources now stand.
func (b Builder) entry(p Part) (string, error) {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s %s %q %s %s/%s\n", p.Name, p.Target, p.Flags, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	root := filepath.Join(b.Source, p.Name)
	files := []string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if !d.IsDir() && !strings.HasSuffix(name, "_test.go") && (filepath.Ext(name) == ".go" || name == "go.mod" || name == "go.sum") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read sources of %s: %w", p.Name, err)
	}
	if p.Name == "shop" { // the one part in this package's own module
		files = append(files, filepath.Join(b.Source, "go.sum"))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read sources of %s: %w", p.Name, err)
		}
		rel, err := filepath.Rel(b.Source, file)
		if err != nil {
			return "", fmt.Errorf("read sources of %s: %w", p.Name, err)
		}
		_, _ = fmt.Fprintf(h, "%s %x\n", rel, sha256.Sum256(text))
	}
	return filepath.Join(b.Cache, p.Name+"-"+hex.EncodeToString(h.Sum(nil))[:12]), nil
}

// sound says why an entry cannot be used. The whole program is only read where its size or time is not
// the one that was noted.
func (b Builder) sound(entry string, p Part) error {
	text, err := os.ReadFile(filepath.Join(entry, "stamp.json"))
	if err != nil {
		return err
	}
	var s stamp
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read stamp: %w", err)
	}
	program := filepath.Join(entry, p.Name)
	info, err := os.Stat(program)
	if err != nil {
		return err
	}
	if info.Size() == s.Size && info.ModTime().Equal(s.Time) {
		return nil
	}
	sum, err := checksum(program)
	if err == nil && sum != s.SHA256 {
		err = errors.New("the program is not the one that was built")
	}
	return err
}

// build makes the entry under another name and renames it, under a lock that dies with its holder.
func (b Builder) build(ctx context.Context, p Part, which string) error {
	entry, err := b.entry(p)
	if err != nil {
		return err
	}
	unlock, err := b.lock(p)
	if err != nil {
		return err
	}
	defer unlock()
	why := b.sound(entry, p)
	if why == nil {
		return nil // another builder was faster
	}
	if _, err := os.Stat(entry); err == nil {
		b.say("the cached %s is damaged (%v) and is built again", p.Name, why)
	}
	if err := b.room(); err != nil {
		return err
	}
	b.say("building %s (%s, about %d min)…", p.Name, which, p.Minutes)
	began := time.Now()
	fresh := entry + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, 0o755)); err != nil {
		return err
	}
	if err := b.fill(ctx, p, fresh); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(entry), os.Rename(fresh, entry)); err != nil {
		return err
	}
	b.say("built %s in %s", p.Name, time.Since(began).Round(time.Second))
	return b.sweep(p, entry)
}

// fill builds into an empty entry; the stamp comes last.
func (b Builder) fill(ctx context.Context, p Part, entry string) error {
	program := filepath.Join(entry, p.Name)
	source := filepath.Join(b.Source, p.Name)
	if err := b.Compile(ctx, p, source, program); err != nil {
		return err
	}
	if err := b.copyCRDs(ctx, p, program); err != nil {
		return err
	}
	sum, err := checksum(program)
	if err != nil {
		return err
	}
	info, err := os.Stat(program)
	if err != nil {
		return err
	}
	text, err := json.Marshal(stamp{SHA256: sum, Size: info.Size(), Time: info.ModTime()})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(entry, "stamp.json"), text, 0o644)
}

// room refuses to begin a build that would fill the disk.
func (b Builder) room() error {
	free, err := b.Free(b.Cache)
	if err != nil {
		return fmt.Errorf("ask for free disk space: %w", err)
	}
	if free < NeedsDisk {
		return fmt.Errorf("%d GiB of disk space are free at %s, a build may take %d GiB; free some, or set XDG_CACHE_HOME and GOCACHE to a larger disk",
			free>>30, b.Cache, uint64(NeedsDisk)>>30)
	}
	return nil
}

func (b Builder) lock(p Part) (func(), error) {
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return nil, fmt.Errorf("make cache: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(b.Cache, p.Name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		b.say("waiting for another build of %s…", p.Name)
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			return nil, errors.Join(fmt.Errorf("lock cache: %w", err), f.Close())
		}
	}
	return func() { _ = f.Close() }, nil
}

// sweep removes what interrupted builds left, and all but the two newest entries of a part.
func (b Builder) sweep(p Part, keep string) error {
	entries, err := filepath.Glob(filepath.Join(b.Cache, p.Name+"-*"))
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(x, y string) int { return age(x).Compare(age(y)) })
	whole := slices.DeleteFunc(entries, func(e string) bool {
		left := strings.HasSuffix(e, ".new")
		if left {
			err = errors.Join(err, os.RemoveAll(e))
		}
		return left || e == keep
	})
	for _, e := range whole[:max(0, len(whole)-1)] {
		err = errors.Join(err, os.RemoveAll(e))
	}
	return err
}

func age(file string) time.Time {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func (b Builder) say(format string, args ...any) { _, _ = fmt.Fprintf(b.Out, format+"\n", args...) }

func checksum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}

// compile runs the go command, which downloads what is missing.
func (b Builder) compile(ctx context.Context, p Part, dir, out string) error {
	_, err := goCommand(ctx, dir, append(append([]string{"build", "-trimpath"}, p.Flags...), "-o", out, p.Target)...)
	return err
}

func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// The compiler is quicker where it collects less garbage, within bounds. What the caller's environment says wins.
	cmd.Env = append([]string{"GOGC=400", "GOMEMLIMIT=2GiB"}, os.Environ()...)
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0", "GOWORK=off", "GOTOOLCHAIN=local", "GOFLAGS=")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, tail(errs.String(), 20))
	}
	return out.String(), nil
}

// tail is the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func freeBytes(dir string) (uint64, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
