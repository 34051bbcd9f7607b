// SPDX-License-Identifier: Apache-2.0

package decide

// Outcome of a verdict.
type Outcome string

// The three outcomes. Unknown is neither pass nor fail: nothing advances on it.
const (
	Pass    Outcome = "pass"
	Fail    Outcome = "fail"
	Unknown Outcome = "unknown"
)

// Verdict is an outcome with its reason in plain words and its numbers.
type Verdict struct {
	Outcome   Outcome `json:"outcome"`
	Reason    string  `json:"reason"`
	Stable    Counts  `json:"stable"`
	Candidate Counts  `json:"candidate"`
	// Evidence against the candidate, as e : 1; 0 where none was weighed.
	Evidence float64 `json:"evidence,omitempty"`
	// Unproven says that the only thing missing is proof: nothing speaks against the candidate.
	Unproven bool `json:"unproven,omitempty"`
}

// CannotMeasure is the verdict when there is nothing to judge by.
func CannotMeasure(reason string) Verdict { return Verdict{Outcome: Unknown, Reason: reason} }
