// SPDX-License-Identifier: Apache-2.0

package statement

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Version of the encoding; it is the first thing that is signed.
const Version = "slipway.dev/statement/v1"

// The limits of a statement.
const (
	// Life is how long a statement is good for, at most.
	Life = 24 * time.Hour
	// Skew is how far the clock of whoever signs may be ahead.
	Skew = 5 * time.Minute
	// MaxGroups is how many groups it may name.
	MaxGroups = 64
	// maxText, maxReason in bytes.
	maxText   = 512
	maxReason = 2000
)

// Statement is one decision of one person.
type Statement struct {
	// ID is used once. It makes the decision count once, however often it arrives.
	ID string `json:"id"`
	// Who is the name by which plans know the person, such as "ann", or where they have none the identity
	// itself, such as "slack:T0123/U0456".
	Who string `json:"who"`
	// Groups that the person belongs to, as plans name them: "@team-checkout".
	Groups []string `json:"groups,omitempty"`
	// How they were recognised: "slack", "oidc:login.example" with the host of the issuer, "mtls", "token" or "key".
	How string `json:"how"`
	// What was decided: the name of a command, such as "approve".
	What string `json:"what"`
	// Reason in plain words; it may be empty.
	Reason string `json:"reason,omitempty"`
	// At is when it was decided, Expires when it can no longer be used; both to the millisecond.
	At      time.Time `json:"at"`
	Expires time.Time `json:"expires"`
	// Release is the ID of one release, Step the place in it that was decided on.
	Release string `json:"release"`
	Step    string `json:"step"`
	// Digest of the image that is released, PlanHash of the plan: 64 hexadecimal digits.
	Digest   string `json:"digest"`
	PlanHash string `json:"planHash"`
}

// Signed is a statement with its signature.
type Signed struct {
	Statement
	// Key is the ID of the key, Signature in base64 (RFC 4648, section 5, without padding).
	Key       string `json:"key"`
	Signature string `json:"signature"`
}

// Encode is what is signed: the version, then every field in a fixed order as "name length:bytes", so that
// no text inside a field can be read as another field.
func (s Statement) Encode() []byte {
	var b bytes.Buffer
	b.WriteString(Version + "\n")
	write := func(name, value string) { fmt.Fprintf(&b, "%s %d:%s\n", name, len(value), value) }
	write("id", s.ID)
	write("who", s.Who)
	write("groups", strconv.Itoa(len(s.Groups)))
	for _, g := range s.Groups {
		write("group", g)
	}
	write("how", s.How)
	write("what", s.What)
	write("reason", s.Reason)
	write("at", strconv.FormatInt(s.At.UnixMilli(), 10))
	write("expires", strconv.FormatInt(s.Expires.UnixMilli(), 10))
	write("release", s.Release)
	write("step", s.Step)
	write("digest", s.Digest)
	write("plan", s.PlanHash)
	return b.Bytes()
}

// Check refuses a statement that says too little, too much, or something that a person could not read.
func (s Statement) Check() error {
	for _, f := range []struct{ name, value string }{
		{"id", s.ID},
		{"who", s.Who},
		{"how", s.How},
		{"what", s.What},
		{"release", s.Release},
		{"step", s.Step},
		{"digest", s.Digest},
		{"planHash", s.PlanHash},
	} {
		if f.value == "" {
			return fmt.Errorf("statement has no %s", f.name)
		}
		if err := readable(f.name, f.value, maxText); err != nil {
			return err
		}
	}
	if len(s.Groups) > MaxGroups {
		return fmt.Errorf("statement names %d groups; %d is the most", len(s.Groups), MaxGroups)
	}
	for _, g := range s.Groups {
		if !strings.HasPrefix(g, "@") || len(g) < 2 {
			return fmt.Errorf("statement names the group %q; a group begins with @", g)
		}
		if err := readable("group", g, maxText); err != nil {
			return err
		}
	}
	if err := reasonable(s.Reason); err != nil {
		return err
	}
	return s.checkTimes()
}

func (s Statement) checkTimes() error {
	for _, t := range []time.Time{s.At, s.Expires} {
		if t.IsZero() || !t.Equal(t.Truncate(time.Millisecond)) {
			return fmt.Errorf("statement has the time %s; both times are needed, to the millisecond", t.UTC().Format(time.RFC3339Nano))
		}
	}
	if life := s.Expires.Sub(s.At); life <= 0 || life > Life {
		return fmt.Errorf("statement is good for %s; it must be above zero and at most %s", life, Life)
	}
	return nil
}

// readable refuses text that is not UTF-8, or holds what a terminal would obey.
func readable(name, value string, most int) error {
	if len(value) > most {
		return fmt.Errorf("%s of the statement is %d bytes long; %d is the most", name, len(value), most)
	}
	if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%s of the statement holds characters that cannot be printed", name)
	}
	return nil
}

// reasonable is readable for a text that may have lines.
func reasonable(reason string) error {
	return readable("reason", strings.NewReplacer("\n", "", "\t", "").Replace(reason), maxReason)
}

// Clip makes a reason fit: what cannot be printed becomes a space, and what is too long is cut at a character.
func Clip(reason string) string {
	clean := strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return ' '
	}, reason))
	for len(clean) > maxReason {
		_, size := utf8.DecodeLastRuneInString(clean)
		clean = clean[:len(clean)-size]
	}
	return clean
}
