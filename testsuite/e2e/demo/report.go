// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report is what demo-report.json holds.
type Report struct {
	// Seconds is the whole run, ReadySeconds the sandbox's boot.
	Seconds      float64  `json:"seconds"`
	ReadySeconds float64  `json:"ready_seconds"`
	Stories      []Result `json:"stories"`
}

// Result is one story.
type Result struct {
	Name     string `json:"name"`
	Strategy string `json:"strategy"`
	// Outcome is promoted, undone or failed.
	Outcome  string  `json:"outcome"`
	Seconds  float64 `json:"seconds"`
	Requests int     `json:"requests"`
	Failed   int     `json:"failed_requests"`
	// FailedByVersion counts by the version that answered; "none" where nothing did.
	FailedByVersion map[string]int `json:"failed_by_version"`
	MaxWeight       int            `json:"max_weight"`
	// Shares are the candidate's shares as they were seen on the route.
	Shares []int `json:"shares"`
	// Problems are the ways in which the story went wrong.
	Problems []string `json:"problems,omitempty"`
}

// conclude prints the table and writes the report. It fails when a story went wrong.
func (d *demo) conclude(r Report, file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	d.say("")
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "STORY\tSTRATEGY\tOUTCOME\tSECONDS\tREQUESTS\tFAILED\tFAILED BY VERSION\tHIGHEST WEIGHT")
	wrong := 0
	for _, s := range r.Stories {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%d\t%d\t%s\t%d %%\n",
			s.Name, s.Strategy, s.Outcome, s.Seconds, s.Requests, s.Failed, byVersion(s.FailedByVersion), s.MaxWeight)
		if len(s.Problems) > 0 {
			wrong++
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	d.say("\nsandbox ready in %.1f s, all of it in %.0f s; %s", r.ReadySeconds, r.Seconds, relative(file))
	for _, s := range r.Stories {
		for _, p := range s.Problems {
			d.say("WRONG: story %q: %s", s.Name, p)
		}
	}
	if wrong > 0 {
		return errors.New("not every story went as it should")
	}
	return nil
}

func byVersion(counts map[string]int) string {
	var out []string
	for _, version := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%s: %d", version, counts[version]))
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, ", ")
}
