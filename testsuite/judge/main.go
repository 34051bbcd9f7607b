// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	part := flag.Float64("part", 1, "share of the releases to simulate; below 1 a figure may be off by three standard errors")
	out := flag.String("out", "", "file for the report in JSON")
	svg := flag.String("picture", "", "draw the picture of docs/analysis.md into this file instead")
	only := flag.String("only", "", "sections whose names contain this word")
	flag.Parse()
	if *svg != "" {
		if err := os.WriteFile(*svg, []byte(picture()), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, "write picture:", err)
			os.Exit(1)
		}
		return
	}
	named := func(s section) bool { return strings.Contains(s.name, *only) }
	if err := run(os.Stdout, *part, *out, named); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// report is everything that was measured.
type report struct {
	w       io.Writer
	part    float64
	began   time.Time
	Targets []target                      `json:"targets"`
	Tables  map[string]map[string]summary `json:"tables"`
	Seconds float64                       `json:"seconds"`
}

// target is a figure that the project promises.
type target struct {
	What string  `json:"what"`
	Got  float64 `json:"got"`
	// Most or Least that it may be.
	Most  *float64 `json:"atMost,omitempty"`
	Least *float64 `json:"atLeast,omitempty"`
	Met   bool     `json:"met"`
}

// run runs the sections that are wanted.
func run(w io.Writer, part float64, out string, wanted func(section) bool) error {
	r := &report{w: w, part: part, began: now(), Tables: map[string]map[string]summary{}}
	for _, section := range sections() {
		if wanted(section) {
			r.say("\n## %s\n\n", section.name)
			section.run(r)
		}
	}
	r.Seconds = now().Sub(r.began).Seconds()
	return r.finish(out)
}

// say writes a part of the report for people; one that cannot be written to a terminal has no reader.
func (r *report) say(format string, args ...any) { _, _ = fmt.Fprintf(r.w, format, args...) }

// n is how many releases are simulated where the whole bench simulates so many.
func (r *report) n(whole int) int { return max(20, int(float64(whole)*r.part)) }

// atMost states a target; slack is its standard error, which a part of the bench may use three times.
func (r *report) atMost(what string, got, most, slack float64) {
	if r.part < 1 {
		most += 3 * slack
	}
	r.Targets = append(r.Targets, target{What: what, Got: got, Most: &most, Met: got <= most})
}

func (r *report) atLeast(what string, got, least, slack float64) {
	if r.part < 1 {
		least -= 3 * slack
	}
	r.Targets = append(r.Targets, target{What: what, Got: got, Least: &least, Met: got >= least})
}

// keep puts a row into the report.
func (r *report) keep(table, row string, s summary) {
	if r.Tables[table] == nil {
		r.Tables[table] = map[string]summary{}
	}
	r.Tables[table][row] = s
}

func (r *report) finish(out string) error {
	r.say("\n## Targets\n\n| figure | measured | promised | |\n| --- | --- | --- | --- |\n")
	missed := 0
	for _, t := range r.Targets {
		bound, mark := "", "ok"
		switch {
		case t.Most != nil:
			bound = fmt.Sprintf("at most %.4g", *t.Most)
		case t.Least != nil:
			bound = fmt.Sprintf("at least %.4g", *t.Least)
		}
		if !t.Met {
			missed++
			mark = "MISSED"
		}
		r.say("| %s | %.4g | %s | %s |\n", t.What, t.Got, bound, mark)
	}
	r.say("\n%d of %d figures are met, in %.0f s.\n", len(r.Targets)-missed, len(r.Targets), r.Seconds)
	if out != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err == nil {
			err = os.WriteFile(out, append(text, '\n'), 0o600)
		}
		if err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d promised figures are missed", missed)
	}
	return nil
}

// now is the real time: only the length of the bench depends on it.
func now() time.Time { return time.Now() }
