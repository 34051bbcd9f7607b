// SPDX-License-Identifier: Apache-2.0

package sender

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MinSecret is the least length of a secret in bytes.
const MinSecret = 16

// tolerance is how far the time of a signed message may be from ours, either way.
const tolerance = 5 * time.Minute

// Secrets are those that a sender may use now: more than one while they are changed.
type Secrets []string

// ParseSecrets reads one secret a line. It refuses a text without any, and one that is too short.
func ParseSecrets(text string) (Secrets, error) {
	var out Secrets
	for line := range strings.Lines(text) {
		secret := strings.TrimSpace(line)
		if secret == "" {
			continue
		}
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("a secret has %d characters; take at least %d, such as `openssl rand -hex 32` prints", len(secret), MinSecret)
		}
		out = append(out, secret)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no secret; write one a line, such as `openssl rand -hex 32` prints")
	}
	return out, nil
}

// is reports whether a text is one of the secrets, in a time that says nothing of where it differs. Both
// are hashed first, so that the time says nothing of the length either.
func (s Secrets) is(given string) bool {
	have, found := sha256.Sum256([]byte(given)), 0
	for _, secret := range s {
		want := sha256.Sum256([]byte(secret))
		found |= subtle.ConstantTimeCompare(have[:], want[:])
	}
	return found == 1
}

// signs reports whether a MAC is that of a message by any of the secrets.
func (s Secrets) signs(message, mac []byte) bool {
	found := 0
	for _, secret := range s {
		found |= subtle.ConstantTimeCompare(mac, sum([]byte(secret), message))
	}
	return found == 1
}

func sum(secret, message []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write(message)
	return mac.Sum(nil)
}

// one is the value of a header that must be there exactly once: of two, nobody knows which was checked.
func one(h http.Header, name string) (string, error) {
	switch all := h.Values(name); len(all) {
	case 0:
		return "", refused("the delivery has no %s", name)
	case 1:
		return all[0], nil
	}
	return "", refused("the delivery has more than one %s", name)
}

// hexSignature checks a header such as "sha256=757107ea…" over the body.
func (s Secrets) hexSignature(d Delivery, header string) error {
	value, err := one(d.Header, header)
	if err != nil {
		return err
	}
	text, ok := strings.CutPrefix(value, "sha256=")
	if !ok {
		return refused("%s is not of sha256", header)
	}
	mac, err := hex.DecodeString(text)
	if err != nil || len(mac) != sha256.Size {
		return refused("%s is not a signature", header)
	}
	if !s.signs(d.Body, mac) {
		return refused("%s does not fit the body: is the secret the same on both sides?", header)
	}
	return nil
}

// The headers of Standard Webhooks.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// signingPrefix marks a secret of Standard Webhooks, whose rest is base64.
const signingPrefix = "whsec_"

// standardKey is what a secret of Standard Webhooks signs with.
func standardKey(secret string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, signingPrefix))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, fmt.Errorf("a secret of Standard Webhooks is %s and the base64 of 24 to 64 bytes, such as `echo %s$(openssl rand -base64 32)` prints", signingPrefix, signingPrefix)
	}
	return key, nil
}

// CheckStandard refuses secrets that are not those of Standard Webhooks.
func (s Secrets) CheckStandard() error {
	for _, secret := range s {
		if _, err := standardKey(secret); err != nil {
			return err
		}
	}
	return nil
}

// CheckSigning is CheckStandard for the secrets that say that they are such: the others are plain tokens.
func (s Secrets) CheckSigning() error {
	var signing Secrets
	for _, secret := range s {
		if strings.HasPrefix(secret, signingPrefix) {
			signing = append(signing, secret)
		}
	}
	return signing.CheckStandard()
}

// standard checks a message by https://www.standardwebhooks.com: its identity, its time and its body are
// signed together, by any of the signatures of the list.
func (s Secrets) standard(d Delivery) error {
	id, err := one(d.Header, headerID)
	if err != nil {
		return err
	}
	stamp, err := one(d.Header, headerTimestamp)
	if err != nil {
		return err
	}
	list, err := one(d.Header, headerSignature)
	if err != nil {
		return err
	}
	if id == "" || len(id) > 256 {
		return refused("%s must have 1 to 256 characters", headerID)
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return refused("%s is not a time in seconds", headerTimestamp)
	}
	if age := d.At.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return refused("the message is of another time: its %s is %s away from this clock, and at most %s are taken", headerTimestamp, age.Abs().Round(time.Second), tolerance)
	}
	if !s.signsStandard(id+"."+stamp+"."+string(d.Body), list) {
		return refused("%s does not fit the message: is the secret the same on both sides?", headerSignature)
	}
	return nil
}

// signsStandard looks for a signature of version 1 that fits.
func (s Secrets) signsStandard(message, list string) bool {
	keys := make(Secrets, 0, len(s))
	for _, secret := range s {
		if key, err := standardKey(secret); err == nil {
			keys = append(keys, string(key))
		}
	}
	for signature := range strings.FieldsSeq(list) {
		text, ok := strings.CutPrefix(signature, "v1,")
		mac, err := base64.StdEncoding.DecodeString(text)
		if ok && err == nil && len(mac) == sha256.Size && keys.signs([]byte(message), mac) {
			return true
		}
	}
	return false
}

// token checks a secret that is sent as it is: in Authorization, alone, as a bearer, or as the password of
// any user; or, for senders that can be given an address alone, as ?secret=.
func (s Secrets) token(d Delivery) error {
	given := d.Query["secret"]
	if header := d.Header.Values("Authorization"); len(header) > 0 {
		given = append(given, password(header[0]))
		if len(header) > 1 {
			return refused("the delivery has more than one Authorization")
		}
	}
	switch {
	case len(given) == 0:
		return refused("the delivery has no secret: put it into Authorization, or where the sender takes an address alone behind it as ?secret=…")
	case len(given) > 1:
		return refused("the delivery has more than one secret")
	case !s.is(given[0]):
		return refused("the delivery's secret is another one")
	}
	return nil
}

// password is the secret in a value of Authorization.
func password(value string) string {
	scheme, rest, ok := strings.Cut(value, " ")
	switch {
	case ok && strings.EqualFold(scheme, "Bearer"):
		return rest
	case ok && strings.EqualFold(scheme, "Basic"):
		text, err := base64.StdEncoding.DecodeString(rest)
		if _, secret, found := strings.Cut(string(text), ":"); err == nil && found {
			return secret
		}
		return ""
	}
	return value
}
