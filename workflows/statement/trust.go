// SPDX-License-Identifier: Apache-2.0

package statement

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Anybody is whom the key of a server speaks for: everybody that it has authenticated.
const Anybody = "*"

// Trusted is a public key, and whom it may speak for.
type Trusted struct {
	Public
	// For is Anybody, or the one person whose own key it is.
	For string
	// Groups of that person. A server names the groups itself.
	Groups []string
}

// Keys are all that a worker trusts.
type Keys []Trusted

// ParseKeys reads keys that are separated by commas or spaces, each written as whom it speaks for, the
// groups of a person, and the key: "*=slipway_pk_…" or "ann+@team-checkout=slipway_pk_…".
func ParseKeys(text string) (Keys, error) {
	var all Keys
	fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
	for i, field := range fields {
		t, err := parseTrusted(field)
		if err != nil {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(fields), err)
		}
		if slices.ContainsFunc(all, func(o Trusted) bool { return o.ID() == t.ID() }) {
			return nil, fmt.Errorf("key %d of %d: %s is there twice", i+1, len(fields), t.ID())
		}
		all = append(all, t)
	}
	return all, nil
}

func parseTrusted(field string) (Trusted, error) {
	whom, key, ok := strings.Cut(field, "=")
	if !ok || whom == "" {
		return Trusted{}, errors.New(`write whom it speaks for before it, such as "*=slipway_pk_…" for a server, or "ann=slipway_pk_…"`)
	}
	public, err := ParsePublic(key)
	if err != nil {
		return Trusted{}, err
	}
	names := strings.Split(whom, "+")
	t := Trusted{Public: public, For: names[0], Groups: names[1:]}
	if t.For == Anybody && len(t.Groups) > 0 {
		return Trusted{}, errors.New("a server names the groups of each person itself; write * alone")
	}
	for _, g := range t.Groups {
		if !strings.HasPrefix(g, "@") || len(g) < 2 {
			return Trusted{}, fmt.Errorf("the group %q does not begin with @", g)
		}
	}
	return t, nil
}

// String is how ParseKeys reads it.
func (t Trusted) String() string {
	return strings.Join(append([]string{t.For}, t.Groups...), "+") + "=" + t.Public.String()
}

// Verify returns the groups of whoever has decided, if a trusted key says so and the statement is good at now. Its
// error says why it is not, in words for the person.
func (k Keys) Verify(s Signed, now time.Time) ([]string, error) {
	if len(k) == 0 {
		return nil, errors.New("the workers trust no key yet: set SLIPWAY_APPROVAL_KEYS on them")
	}
	i := slices.IndexFunc(k, func(t Trusted) bool { return t.ID() == s.Key })
	if i < 0 {
		return nil, fmt.Errorf("it is signed by key %q, which the workers do not trust; see SLIPWAY_APPROVAL_KEYS", s.Key)
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(s.Signature)
	if err != nil || !ed25519.Verify(k[i].key, s.Encode(), signature) {
		return nil, fmt.Errorf("its signature is not that of key %s: it was changed, or signed by somebody else", s.Key)
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if ahead := s.At.Sub(now); ahead > Skew {
		return nil, fmt.Errorf("it was signed %s in the future: set the clock of whoever signs", ahead.Round(time.Second))
	}
	if !now.Before(s.Expires) {
		return nil, fmt.Errorf("it has expired %s ago: decide again", now.Sub(s.Expires).Round(time.Second))
	}
	return k[i].vouch(s.Statement)
}

// vouch is what this key may say.
func (t Trusted) vouch(s Statement) ([]string, error) {
	switch {
	case t.For == Anybody:
		return s.Groups, nil
	case s.Who != t.For:
		return nil, fmt.Errorf("key %s speaks for %s, and not for %s", t.ID(), t.For, s.Who)
	case len(s.Groups) > 0:
		return nil, fmt.Errorf("key %s is a person's own, and a person does not choose their groups: the workers know them", t.ID())
	}
	return t.Groups, nil
}
