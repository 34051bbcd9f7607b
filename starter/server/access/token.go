// SPDX-License-Identifier: Apache-2.0

package access

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Token is one line of the file with tokens.
type Token struct {
	// Name stands in logs and as who asked for a release.
	Name string `yaml:"name"`
	// SHA256 of the token, hexadecimal.
	SHA256 string  `yaml:"sha256"`
	Rights []Right `yaml:"rights"`
	// Services are patterns such as production/*, in which * stands for anything but a slash.
	Services []string `yaml:"services"`
}

// Tokens are all there are, and beside them what people may do who bring none.
type Tokens struct {
	callers []Caller
	hashes  [][]byte
	people  []Entitled
}

// prefix marks a token, so that scanners for leaked secrets find it.
const prefix = "slipway_"

// NewToken makes a token and the hash that the server keeps of it. It is random enough for a plain hash.
func NewToken() (token, hash string) {
	token = prefix + rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(token))
	return token, hex.EncodeToString(sum[:])
}

// ParseTokens reads the file of tokens and people. An empty one holds none.
func ParseTokens(text []byte) (*Tokens, error) {
	var file struct {
		Tokens []Token    `yaml:"tokens"`
		People []Entitled `yaml:"people"`
	}
	if len(strings.TrimSpace(string(text))) > 0 {
		if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("read tokens: %w", err)
		}
	}
	t := &Tokens{people: file.People}
	for i, one := range file.Tokens {
		hash, err := one.check()
		if err != nil {
			return nil, fmt.Errorf("read tokens: token %d (%s): %w", i+1, one.Name, err)
		}
		if slices.ContainsFunc(t.callers, func(c Caller) bool { return c.Name == one.Name }) {
			return nil, fmt.Errorf("read tokens: two are called %s", one.Name)
		}
		t.hashes = append(t.hashes, hash)
		t.callers = append(t.callers, Caller{Name: one.Name, How: HowToken, grants: []grant{{one.Rights, one.Services}}})
	}
	for i, one := range file.People {
		if err := one.check(); err != nil {
			return nil, fmt.Errorf("read tokens: people %d (%s): %w", i+1, cmp.Or(one.Name, one.Group), err)
		}
	}
	return t, nil
}

// FormatTokens is a file with these tokens, if they are in order.
func FormatTokens(all ...Token) (string, error) {
	text, err := yaml.Marshal(map[string][]Token{"tokens": all})
	if err != nil {
		return "", fmt.Errorf("write tokens: %w", err)
	}
	_, err = ParseTokens(text)
	return string(text), err
}

func (t Token) check() ([]byte, error) {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`).MatchString(t.Name) {
		return nil, errors.New("the name must be 1 to 63 lower-case letters, digits, dots, dashes or underscores")
	}
	hash, err := hex.DecodeString(t.SHA256)
	empty := sha256.Sum256(nil)
	if err != nil || len(hash) != sha256.Size || subtle.ConstantTimeCompare(hash, empty[:]) == 1 {
		return nil, errors.New("sha256 must be the hexadecimal hash that `slipway token` prints")
	}
	return hash, grant{t.Rights, t.Services}.check()
}

// Find is who has a token. It compares with all of them, in a time that says nothing of any.
func (t *Tokens) Find(token string) (Caller, bool) {
	sum, found := sha256.Sum256([]byte(token)), -1
	for i, hash := range t.hashes {
		if subtle.ConstantTimeCompare(sum[:], hash) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Caller{}, false
	}
	return t.callers[found], true
}

// Entitle gives a person all that is written for their name and groups. That may be nothing.
func (t *Tokens) Entitle(p Person) Caller {
	c := Caller{Name: p.Name, Groups: p.Groups, How: p.How}
	for _, one := range t.people {
		if one.is(p) {
			c.grants = append(c.grants, grant{one.Rights, one.Services})
		}
	}
	return c
}

// Len is how many tokens there are.
func (t *Tokens) Len() int { return len(t.callers) }

// Capital is a name that something is written for and that has capital letters, or empty. Of a token it is found only
// where the claim sub names people.
func (t *Tokens) Capital() string {
	for _, one := range t.people {
		if one.Name != strings.ToLower(one.Name) && !isSPIFFE(one.Name) {
			return one.Name
		}
	}
	return ""
}

// People is for how many names and groups something is written.
func (t *Tokens) People() int { return len(t.people) }
