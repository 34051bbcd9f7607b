// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Right is what a caller may do.
type Right string

// The rights.
const (
	// Read shows plans and releases.
	Read Right = "read"
	// Start starts releases.
	Start Right = "start"
	// Steer pauses, resumes and aborts them.
	Steer Right = "steer"
	// Approve answers what they ask, as far as the plan names the token, and promotes them.
	Approve Right = "approve"
)

// Caller is somebody whose token was taken.
type Caller struct {
	// Name of the token.
	Name     string
	rights   []Right
	services []string
}

// May reports whether the caller has a right for a service, "environment/name"; or where that is empty for
// any at all.
func (c Caller) May(r Right, service string) bool {
	if !slices.Contains(c.rights, r) {
		return false
	}
	return service == "" || slices.ContainsFunc(c.services, func(pattern string) bool {
		ok, err := path.Match(pattern, service)
		return err == nil && ok
	})
}

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

// Tokens are all there are.
type Tokens struct {
	callers []Caller
	hashes  [][]byte
}

// prefix marks a token, so that scanners for leaked secrets find it.
const prefix = "slipway_"

// NewToken makes a token and the hash that the server keeps of it. It is random enough for a plain hash.
func NewToken() (token, hash string) {
	token = prefix + rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(token))
	return token, hex.EncodeToString(sum[:])
}

// ParseTokens reads the file of tokens. An empty one holds none.
func ParseTokens(text []byte) (*Tokens, error) {
	var file struct {
		Tokens []Token `yaml:"tokens"`
	}
	if len(strings.TrimSpace(string(text))) > 0 {
		if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("read tokens: %w", err)
		}
	}
	t := &Tokens{}
	for i, one := range file.Tokens {
		hash, err := one.check()
		if err != nil {
			return nil, fmt.Errorf("read tokens: token %d (%s): %w", i+1, one.Name, err)
		}
		if slices.ContainsFunc(t.callers, func(c Caller) bool { return c.Name == one.Name }) {
			return nil, fmt.Errorf("read tokens: two are called %s", one.Name)
		}
		t.hashes = append(t.hashes, hash)
		t.callers = append(t.callers, Caller{Name: one.Name, rights: one.Rights, services: one.Services})
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
		return nil, fmt.Errorf("the name must be 1 to 63 lower-case letters, digits, dots, dashes or underscores")
	}
	hash, err := hex.DecodeString(t.SHA256)
	empty := sha256.Sum256(nil)
	if err != nil || len(hash) != sha256.Size || subtle.ConstantTimeCompare(hash, empty[:]) == 1 {
		return nil, fmt.Errorf("sha256 must be the hexadecimal hash that `slipway token` prints")
	}
	if len(t.Rights) == 0 || len(t.Services) == 0 {
		return nil, fmt.Errorf("name its rights (read, start, steer, approve) and its services, such as production/*")
	}
	for _, r := range t.Rights {
		if !slices.Contains([]Right{Read, Start, Steer, Approve}, r) {
			return nil, fmt.Errorf("there is no right %q; there are read, start, steer and approve", r)
		}
	}
	for _, s := range t.Services {
		if _, err := path.Match(s, ""); err != nil || strings.Count(s, "/") != 1 {
			return nil, fmt.Errorf("services are environment/name, in which * stands for anything but a slash; not %q", s)
		}
	}
	return hash, nil
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

// Len is how many there are.
func (t *Tokens) Len() int { return len(t.callers) }
