// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/invopop/jsonschema"
)

// Duration is a length of time above zero, written as in Go: "90s", "1h30m".
type Duration time.Duration

// D is the duration for Go's own functions.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String writes whole hours and minutes without trailing zeros: "1h", not "1h0m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalJSON writes the quoted form that UnmarshalJSON reads.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads a quoted duration.
func (d *Duration) UnmarshalJSON(b []byte) error {
	v, err := time.ParseDuration(strings.Trim(string(b), `"`))
	if err != nil {
		return fmt.Errorf("parse duration: %w", err)
	}
	*d = Duration(v)
	return nil
}

// UnmarshalYAML reads a duration that a person wrote.
func (d *Duration) UnmarshalYAML(n ast.Node) error {
	v, err := time.ParseDuration(text(n))
	if err != nil || v <= 0 {
		return misread(n, `%q is not a length of time; write one above zero with its unit, such as "30s", "5m" or "1h"`, text(n))
	}
	*d = Duration(v)
	return nil
}

// JSONSchema describes the written form.
func (Duration) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: `^([0-9.]+(ns|us|µs|ms|s|m|h))+$`, Examples: []any{"30s", "5m", "1h"}}
}

// Ratio is a multiple, written "1.25x" or 1.25.
type Ratio float64

// String writes the form people use: "1.25x".
func (r Ratio) String() string { return strconv.FormatFloat(float64(r), 'g', -1, 64) + "x" }

// MarshalJSON writes "1.25x".
func (r Ratio) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }

// UnmarshalJSON reads "1.25x" and 1.25.
func (r *Ratio) UnmarshalJSON(b []byte) error {
	v, err := parseRatio(strings.Trim(string(b), `"`))
	*r = v
	return err
}

// UnmarshalYAML reads a ratio that a person wrote.
func (r *Ratio) UnmarshalYAML(n ast.Node) error {
	v, err := parseRatio(text(n))
	if err != nil {
		return misread(n, `%q is not a ratio; write a multiple of stable, such as "1.25x"`, text(n))
	}
	*r = v
	return nil
}

// JSONSchema describes the written form.
func (Ratio) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Type: "string", Pattern: `^[0-9]+(\.[0-9]+)?x$`},
		{Type: "number", Minimum: "1"},
	}, Examples: []any{"1.25x"}}
}

func parseRatio(s string) (Ratio, error) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(s, "x"), 64)
	if err != nil {
		return 0, fmt.Errorf("parse ratio: %w", err)
	}
	return Ratio(v), nil
}

// Size is a number of pods, written 3, or a share of them, written "25%".
type Size struct {
	N int
	// Percent is true where N is a share.
	Percent bool
}

// Pods is a number of pods.
func Pods(n int) Size { return Size{N: n} }

// Percent is a share of the pods.
func Percent(n int) Size { return Size{N: n, Percent: true} }

// String writes the form people use: "3" or "25%".
func (s Size) String() string {
	if s.Percent {
		return strconv.Itoa(s.N) + "%"
	}
	return strconv.Itoa(s.N)
}

// Up is the number of pods out of a total, a share rounded up.
func (s Size) Up(total int) int {
	if s.Percent {
		return (s.N*total + 99) / 100
	}
	return s.N
}

// Down is the number of pods out of a total, a share rounded down.
func (s Size) Down(total int) int {
	if s.Percent {
		return s.N * total / 100
	}
	return s.N
}

// MarshalJSON writes 3 or "25%".
func (s Size) MarshalJSON() ([]byte, error) {
	if s.Percent {
		return json.Marshal(s.String())
	}
	return json.Marshal(s.N)
}

// UnmarshalJSON reads both forms.
func (s *Size) UnmarshalJSON(b []byte) error {
	v, err := parseSize(strings.Trim(string(b), `"`))
	*s = v
	return err
}

// UnmarshalYAML reads a size that a person wrote.
func (s *Size) UnmarshalYAML(n ast.Node) error {
	v, err := parseSize(text(n))
	if err != nil {
		return misread(n, `%q is not a number of pods; write one such as 3, or a share of them such as "25%%"`, text(n))
	}
	*s = v
	return nil
}

// JSONSchema describes the written form.
func (Size) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Type: "string", Pattern: `^[0-9]+%$`},
		{Type: "integer", Minimum: "0"},
	}, Examples: []any{"25%", 3}}
}

// maxPods keeps what is counted with sizes far from overflow.
const maxPods = 1_000_000

func parseSize(s string) (Size, error) {
	number, percent := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > maxPods {
		return Size{}, fmt.Errorf("parse size %q", s)
	}
	return Size{N: n, Percent: percent}, nil
}

// text is a scalar as the person wrote it.
func text(n ast.Node) string { return n.GetToken().Value }

func misread(n ast.Node, format string, args ...any) error {
	return &yaml.SyntaxError{Message: fmt.Sprintf(format, args...), Token: n.GetToken()}
}
