// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"errors"
	"log/slog"
)

// hidden stands for a secret wherever one would be printed.
const hidden = "(hidden)"

// Secret is a text that nothing prints: no log, no JSON, no %#v, not even out of a field that is not exported.
// The zero value is none.
type Secret struct{ text *string }

// NewSecret hides a text.
func NewSecret(text string) Secret { return Secret{&text} }

// Given reports whether there is one.
func (s Secret) Given() bool { return s.text != nil }

// Reveal returns the text. Only what is sent to its owner may hold it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String implements fmt.Stringer.
func (Secret) String() string { return hidden }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return hidden }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// UnmarshalText implements encoding.TextUnmarshaler. An empty secret is an error: a variable was not filled in.
func (s *Secret) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("a secret is empty")
	}
	*s = NewSecret(string(text))
	return nil
}
