// SPDX-License-Identifier: Apache-2.0

package statement

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// The beginnings of keys in text: secret scanners find one, and nobody takes one for the other.
const (
	privatePrefix = "slipway_sk_"
	publicPrefix  = "slipway_pk_"
)

// Private signs. It never shows itself: only [Private.Reveal] does.
type Private struct{ key ed25519.PrivateKey }

// Generate makes a key of 32 random bytes.
func Generate(random io.Reader) (Private, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return Private{}, fmt.Errorf("make key: %w", err)
	}
	return Private{ed25519.NewKeyFromSeed(seed)}, nil
}

// ParsePrivate reads what Reveal has written. Its errors show nothing of the text.
func ParsePrivate(text string) (Private, error) {
	seed, err := decode(text, privatePrefix, ed25519.SeedSize)
	if err != nil {
		return Private{}, fmt.Errorf("private key: %w", err)
	}
	return Private{ed25519.NewKeyFromSeed(seed)}, nil
}

// IsZero reports whether there is no key.
func (p Private) IsZero() bool { return p.key == nil }

// Reveal is the key as text, for whoever stores it.
func (p Private) Reveal() string {
	return privatePrefix + base64.RawURLEncoding.EncodeToString(p.key.Seed())
}

// String hides the key from everything that prints.
func (Private) String() string { return "[private key]" }

// GoString hides the key from %#v.
func (Private) GoString() string { return "[private key]" }

// LogValue hides the key from logs.
func (Private) LogValue() slog.Value { return slog.StringValue("[private key]") }

// Public is the half that everybody may know.
func (p Private) Public() Public {
	return Public{ed25519.PublicKey(p.key[ed25519.SeedSize:])}
}

// Sign says a statement. It refuses one that nobody would accept.
func (p Private) Sign(s Statement) (Signed, error) {
	if p.IsZero() {
		return Signed{}, errors.New("sign statement: there is no key")
	}
	if err := s.Check(); err != nil {
		return Signed{}, fmt.Errorf("sign statement: %w", err)
	}
	signature := ed25519.Sign(p.key, s.Encode())
	return Signed{Statement: s, Key: p.Public().ID(), Signature: base64.RawURLEncoding.EncodeToString(signature)}, nil
}

// Public verifies.
type Public struct{ key ed25519.PublicKey }

// ParsePublic reads what String has written.
func ParsePublic(text string) (Public, error) {
	key, err := decode(text, publicPrefix, ed25519.PublicKeySize)
	if err != nil {
		return Public{}, fmt.Errorf("public key: %w", err)
	}
	return Public{key}, nil
}

// String is the key as text.
func (p Public) String() string { return publicPrefix + base64.RawURLEncoding.EncodeToString(p.key) }

// ID is the first 16 hexadecimal digits of the key's SHA-256.
func (p Public) ID() string {
	sum := sha256.Sum256(p.key)
	return hex.EncodeToString(sum[:8])
}

// decode reads the one spelling of some bytes.
func decode(text, prefix string, size int) ([]byte, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), prefix)
	if !ok {
		return nil, fmt.Errorf("it does not begin with %s; `slipway key` makes a pair", prefix)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != size {
		return nil, fmt.Errorf("it is not %d bytes in base64 after %s; copy it whole, or make a new pair by `slipway key`", size, prefix)
	}
	return raw, nil
}
