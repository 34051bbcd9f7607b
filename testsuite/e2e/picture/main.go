// SPDX-License-Identifier: Apache-2.0

// Command picture takes the picture of the watch screen for the README: a real release in the middle of
// its second step, as `slipway status` shows it, drawn as an SVG.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

// The size of a character cell and of the margin, in pixels.
const (
	cellWidth, cellHeight, margin = 8.4, 20, 20
)

func main() {
	var repository, dir, out string
	flag.StringVar(&repository, "repository", ".", "root of Slipway's source")
	flag.StringVar(&dir, "dir", ".sandbox", "directory for all state")
	flag.StringVar(&out, "out", "docs/watch.svg", "file to write")
	flag.Parse()
	if err := run(context.Background(), repository, filepath.Join(dir, "picture"), out); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, repository, dir, out string) (err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find directory: %w", err)
	}
	if err := sandbox.Clear(dir); err != nil {
		return err
	}
	s, err := stage.Open(ctx, stage.Options{Repository: repository, Dir: dir, Out: os.Stdout})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	screen, err := take(ctx, s)
	if err != nil {
		return err
	}
	return os.WriteFile(out, []byte(draw(screen)), 0o644)
}

// take releases, and looks while the second step is watched.
func take(ctx context.Context, s *stage.Stage) (string, error) {
	shop, err := s.OpenShop(ctx, stage.ShopOptions{Namespace: "checkout"})
	if err != nil {
		return "", err
	}
	defer shop.Close()
	image, err := s.PutImage("v2", nil)
	if err != nil {
		return "", err
	}
	plan, err := shop.Plan(stage.Quick{Steps: append(stage.Holding("5s", 5), stage.Holding("10s", 25, 50)...)})
	if err != nil {
		return "", err
	}
	began := time.Now()
	if said, err := s.Slipway(ctx, "release", "-f", plan, "--image", image); err != nil || said.Code != 0 {
		return "", fmt.Errorf("release: %w: %s", err, said.Err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = stage.Await(ctx, func(context.Context) error {
		seen := shop.Route.Since(began)
		if i := slices.IndexFunc(seen, func(x stage.Seen) bool { return x.Candidate == 25 }); i < 0 || time.Since(seen[i].At) < 4*time.Second {
			return errors.New("not in the second step")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	said, err := s.Slipway(ctx, "status", shop.Lane())
	if err != nil || said.Code != 0 {
		return "", fmt.Errorf("status: %w: %s", err, said.Err)
	}
	return said.Out, nil
}

// draw sets a text on a dark ground.
func draw(screen string) string {
	lines := strings.Split(strings.TrimRight(screen, "\n"), "\n")
	width := 0
	for _, l := range lines {
		width = max(width, utf8.RuneCountInString(l))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" role="img" aria-label="A release in its second step">`+"\n",
		float64(width)*cellWidth+2*margin, len(lines)*cellHeight+2*margin)
	b.WriteString(`<rect width="100%" height="100%" rx="8" fill="#1b1f27"/>` + "\n")
	b.WriteString(`<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#d7dce5">` + "\n")
	for i, l := range lines {
		if l == "" {
			continue
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" xml:space="preserve" textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n",
			margin, margin+(i+1)*cellHeight-6, float64(utf8.RuneCountInString(l))*cellWidth, html.EscapeString(l))
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}
