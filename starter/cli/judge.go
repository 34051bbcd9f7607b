// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/activities/record/s3"
	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/decide/opinion"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// judge looks at the records that workers keep.
func (a *app) judge() *cobra.Command {
	cmd := &cobra.Command{Use: "judge", Short: "Judge recorded releases again"}
	cmd.AddCommand(a.replay())
	return cmd
}

func (a *app) replay() *cobra.Command {
	var changes []string
	cmd := &cobra.Command{
		Use: "replay RECORD…", Short: "Judge recorded releases again, with other limits", Args: cobra.MinimumNArgs(1),
		Long: `Judge recorded releases again, with other limits.

A record is what a worker has written to SLIPWAY_RECORDS: a file, or s3://bucket/prefix/RELEASE, which is reached as
the AWS_* variables say; s3://bucket/prefix/ is every release there. Each watch in it is judged again, tick by tick, and
shown beside the verdict that was given then. --set changes a field of spec.analysis, such as errors.tolerate=2x,
falseAlarms=1 or guards.rules=[{"name":"mine","when":"candidate.failed > 20"}]; with many records it tells what would
have been caught, and which good releases stopped. It judges
what happened: a release that was rolled back has no ticks after that.`,
		RunE: func(cmd *cobra.Command, places []string) error {
			var all []view.Record
			for _, place := range places {
				some, err := replay(cmd.Context(), place, changes)
				if err != nil {
					return fmt.Errorf("replay %s: %w", place, err)
				}
				all = append(all, some...)
			}
			if a.json {
				return a.encode(all)
			}
			return a.print("%s", view.Records(all))
		},
	}
	cmd.Flags().StringArrayVar(&changes, "set", nil, "a field of spec.analysis and its value, such as errors.tolerate=2x; may be repeated")
	return cmd
}

// replay judges the records at one place again.
func replay(ctx context.Context, place string, changes []string) ([]view.Record, error) {
	if strings.HasPrefix(place, s3.Scheme) {
		return replayBucket(ctx, place, changes)
	}
	f, err := os.Open(place)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	one, err := again(f, place, changes)
	return []view.Record{one}, err
}

// replayBucket judges the record of a release, or of every release, from where the release's name would stand.
func replayBucket(ctx context.Context, place string, changes []string) ([]view.Record, error) {
	slash := strings.LastIndex(place, "/")
	bucket, err := s3.Open(place[:slash])
	if err != nil {
		return nil, err
	}
	releases := []string{place[slash+1:]}
	if releases[0] == "" {
		if releases, err = bucket.Releases(ctx); err != nil {
			return nil, err
		}
	}
	var all []view.Record
	for _, release := range releases {
		text, err := bucket.Read(ctx, release)
		if err != nil {
			return nil, err
		}
		one, err := again(bytes.NewReader(text), place[:slash+1]+release, changes)
		if err != nil {
			return nil, fmt.Errorf("release %s: %w", release, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// again judges one record again.
func again(r io.Reader, place string, changes []string) (view.Record, error) {
	entries, err := lines(r)
	if err != nil {
		return view.Record{}, err
	}
	out := view.Record{File: place}
	if len(entries) > 0 {
		out.Release = entries[0].Release
	}
	out.Watches, err = judge.Replay(entries, func(limits *plan.Analysis) error { return set(limits, changes) }, opinion.Read)
	return out, err
}

// maxLine of a record, in bytes.
const maxLine = 1 << 20

// lines reads a record. A last line that is not whole is one that a worker died over.
func lines(r io.Reader) ([]judge.Entry, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	var out []judge.Entry
	var broken error
	for n := 1; scanner.Scan(); n++ {
		if broken != nil {
			return nil, broken
		}
		var e judge.Entry
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			broken = fmt.Errorf("line %d is not one of a record: %w", n, err)
			continue
		}
		out = append(out, e)
	}
	return out, scanner.Err()
}

// set changes fields of the limits, as a plan would write them.
func set(limits *plan.Analysis, changes []string) error {
	text, err := json.Marshal(limits.Complete())
	if err != nil {
		return fmt.Errorf("write limits: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		return fmt.Errorf("read limits: %w", err)
	}
	for _, change := range changes {
		path, value, ok := strings.Cut(change, "=")
		if !ok || path == "" || value == "" {
			return fmt.Errorf("--set %s: write a field and its value, such as errors.tolerate=2x", change)
		}
		if path == "interval" || strings.HasPrefix(path, "source") {
			return fmt.Errorf("--set %s: what was counted cannot be changed afterwards", change)
		}
		if err := put(tree, strings.Split(path, "."), value); err != nil {
			return fmt.Errorf("--set %s: %w", change, err)
		}
	}
	if text, err = json.Marshal(tree); err != nil {
		return fmt.Errorf("write limits: %w", err)
	}
	var changed plan.Analysis
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&changed); err != nil {
		return fmt.Errorf("--set %s: %w", strings.Join(changes, " "), err)
	}
	if changed.Guards != nil {
		for i, r := range changed.Guards.Rules {
			changed.Guards.Rules[i] = r.Complete()
		}
	}
	var problems []error
	for _, p := range changed.Validate() {
		problems = append(problems, p)
	}
	*limits = changed
	return errors.Join(problems...)
}

// put sets one field of a tree: as a number, a list and so on where it is one, else as text.
func put(tree map[string]any, path []string, value string) error {
	for _, name := range path[:len(path)-1] {
		below, ok := tree[name].(map[string]any)
		if !ok {
			return fmt.Errorf("the plan of the record has no %s", name)
		}
		tree = below
	}
	var v any = value
	var other any
	if json.Unmarshal([]byte(value), &other) == nil && other != nil {
		v = other
	}
	tree[path[len(path)-1]] = v
	return nil
}
