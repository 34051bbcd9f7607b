// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time written as in Go: "90s", "1h30m".
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
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("duration %s: write it with a unit, such as \"30s\", \"5m\" or \"1h\"", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("duration %q: write it with a unit, such as \"30s\", \"5m\" or \"1h\"", s)
	}
	*d = Duration(v)
	return nil
}

// Ratio is a multiple, written "1.25x" or 1.25.
type Ratio float64

// String writes the form people use: "1.25x".
func (r Ratio) String() string { return strconv.FormatFloat(float64(r), 'g', -1, 64) + "x" }

// MarshalJSON writes "1.25x".
func (r Ratio) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }

// UnmarshalJSON reads "1.25x" and 1.25.
func (r *Ratio) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(strings.TrimSuffix(strings.Trim(string(b), `"`), "x"), 64)
	if err != nil {
		return fmt.Errorf("ratio %s: write a multiple such as \"1.25x\"", b)
	}
	*r = Ratio(v)
	return nil
}
