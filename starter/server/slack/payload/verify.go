// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// window is how far the time of a request may be off, both ways.
const window = 5 * time.Minute

// Secret hides itself from everything that prints.
type Secret string

// String hides it.
func (Secret) String() string { return "[secret]" }

// GoString hides it from %#v.
func (Secret) GoString() string { return "[secret]" }

// LogValue hides it from logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// Verifier believes requests that Slack has signed: https://docs.slack.dev/authentication/verifying-requests-from-slack.
// It is our own because the library's reads the wall clock itself, so that its edges cannot be tested. A request that
// is repeated within the window is believed again: decisions count once by their ID.
type Verifier struct {
	Secret Secret
	Now    func() time.Time
}

// Verify takes the body as it was received, before anything has read it.
func (v Verifier) Verify(header http.Header, body []byte) error {
	if v.Secret == "" {
		return errors.New("there is no signing secret, so that no request can be believed")
	}
	stamps, signatures := header.Values("X-Slack-Request-Timestamp"), header.Values("X-Slack-Signature")
	if len(stamps) != 1 || len(signatures) != 1 {
		return errors.New("the request needs one X-Slack-Request-Timestamp and one X-Slack-Signature")
	}
	seconds, err := strconv.ParseInt(stamps[0], 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != stamps[0] {
		return errors.New("the time of the request is not a number of seconds")
	}
	if off := v.Now().Sub(time.Unix(seconds, 0)); off > window || off < -window {
		return errors.New("the time of the request is more than 5 minutes away")
	}
	given, ok := strings.CutPrefix(signatures[0], "v0=")
	sum, err := hex.DecodeString(given)
	if !ok || err != nil {
		return errors.New("the signature is not of the form v0=…")
	}
	mac := hmac.New(sha256.New, []byte(v.Secret))
	mac.Write([]byte("v0:" + stamps[0] + ":"))
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), sum) {
		return errors.New("the signature does not match")
	}
	return nil
}
