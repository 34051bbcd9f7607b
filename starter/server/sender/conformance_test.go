// SPDX-License-Identifier: Apache-2.0

package sender_test

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/sender"
)

const secret, otherSecret = "a secret of more than sixteen characters", "another secret of the same length as that"

// now is the time of every delivery.
var now = time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)

// subject is a sender under test.
type subject struct {
	// with makes it know some secrets; secret and otherSecret unless it says others.
	with          func(sender.Secrets) sender.Sender
	secret, other string
	// body of an event that starts a release, and want what it says.
	body string
	want []sender.Event
	// prove adds to a delivery what proves its sender.
	prove func(d *sender.Delivery, secret string)
	// proof is the header that carries it; empty: the query's secret.
	proof string
	// signs is true where the proof covers the body.
	signs bool
	// header of every delivery, proved or not.
	header map[string]string
	// forged are further deliveries that somebody else could have made.
	forged map[string]func(d *sender.Delivery)
	// refused are bodies made of the good one by a replacement, and the status that each gets.
	refused map[string]refusal
	// emptyBody is true where an event may have no body.
	emptyBody bool
}

type refusal struct {
	replace, with string
	status        int
}

func (s subject) delivery(body, secret string) sender.Delivery {
	d := sender.Delivery{Header: http.Header{}, Query: url.Values{}, Body: []byte(body), At: now}
	for name, value := range s.header {
		d.Header.Set(name, value)
	}
	if secret != "" {
		s.prove(&d, secret)
	}
	return d
}

// conform is what every sender must do.
func conform(t *testing.T, s subject) {
	t.Helper()
	if s.secret == "" {
		s.secret, s.other = secret, otherSecret
	}
	known := s.with(sender.Secrets{s.secret})
	t.Run("takes what its sender has made", func(t *testing.T) {
		d := s.delivery(s.body, s.secret)
		require.NoError(t, known.Verify(d))
		got, err := known.Read(d)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(s.want, got))
	})
	t.Run("takes the old secret and the new one while they are changed", func(t *testing.T) {
		both := s.with(sender.Secrets{s.other, s.secret})
		require.NoError(t, both.Verify(s.delivery(s.body, s.secret)))
		require.NoError(t, both.Verify(s.delivery(s.body, s.other)))
	})
	forged := s.forgeries()
	require.GreaterOrEqual(t, len(forged), 10)
	for name, forge := range forged {
		t.Run("refuses "+name, func(t *testing.T) {
			d := s.delivery(s.body, s.secret)
			forge(&d)
			s.refuses(t, known, d)
		})
	}
	t.Run("refuses everything without a secret of its own", func(t *testing.T) {
		for _, given := range []string{"", s.secret} {
			s.refuses(t, s.with(nil), s.delivery(s.body, given))
		}
	})
	s.reads(t, known)
}

// refuses requires a 401 that repeats no secret.
func (s subject) refuses(t *testing.T, known sender.Sender, d sender.Delivery) {
	t.Helper()
	var answer *sender.Answer
	require.ErrorAs(t, known.Verify(d), &answer)
	require.Equal(t, http.StatusUnauthorized, answer.Status)
	for _, hidden := range []string{s.secret, s.other, s.given(d)} {
		if len(hidden) > 2 {
			require.NotContains(t, answer.Text, hidden)
		}
	}
}

// given is the proof that a delivery carries.
func (s subject) given(d sender.Delivery) string {
	if s.proof == "" {
		return d.Query.Get("secret")
	}
	return d.Header.Get(s.proof)
}

func (s subject) give(d *sender.Delivery, proofs ...string) {
	if s.proof == "" {
		d.Query["secret"] = proofs
		return
	}
	d.Header[s.proof] = proofs
}

// forgeries are what somebody could send who does not know the secret.
func (s subject) forgeries() map[string]func(d *sender.Delivery) {
	proved := func(change func(proof string) string) func(d *sender.Delivery) {
		return func(d *sender.Delivery) { s.give(d, change(s.given(*d))) }
	}
	all := map[string]func(d *sender.Delivery){
		"no proof":                  func(d *sender.Delivery) { *d = s.delivery(s.body, "") },
		"another secret":            func(d *sender.Delivery) { *d = s.delivery(s.body, s.other) },
		"an empty proof":            proved(func(string) string { return "" }),
		"a blank proof":             proved(func(string) string { return " " }),
		"a proof cut short":         proved(func(p string) string { return p[:len(p)-1] }),
		"a proof that goes on":      proved(func(p string) string { return p + "0" }),
		"a proof that begins early": proved(func(p string) string { return "x" + p }),
		"one character changed":     proved(func(p string) string { return p[:len(p)-2] + string(p[len(p)-2]^1) + p[len(p)-1:] }),
		"a proof with a NUL":        proved(func(p string) string { return p + "\x00" }),
		"a proof twice":             func(d *sender.Delivery) { s.give(d, s.given(*d), s.given(*d)) },
		"a good proof behind a bad": func(d *sender.Delivery) { s.give(d, "x", s.given(*d)) },
		"a proof under another name": func(d *sender.Delivery) {
			p := s.given(*d)
			d.Header.Del(s.proof)
			d.Query.Del("secret")
			d.Header.Set("X-Signature", p)
		},
	}
	if s.signs {
		for name, change := range map[string]func(b []byte) []byte{
			"another body":            func([]byte) []byte { return []byte("{}") },
			"an empty body":           func([]byte) []byte { return nil },
			"a body that goes on":     func(b []byte) []byte { return append(b, ' ') },
			"a body cut short":        func(b []byte) []byte { return b[:len(b)-1] },
			"a body with one change":  func(b []byte) []byte { return bytes.Replace(b, []byte("shop"), []byte("shod"), 1) },
			"a body that begins late": func(b []byte) []byte { return append([]byte("\ufeff"), b...) },
		} {
			all[name] = func(d *sender.Delivery) { d.Body = change(bytes.Clone(d.Body)) }
		}
	}
	maps.Copy(all, s.forged)
	return all
}

// reads requires the right status for bodies that start nothing.
func (s subject) reads(t *testing.T, known sender.Sender) {
	t.Helper()
	bodies := map[string]struct {
		body   string
		status int
	}{
		"nothing":                        {"", 400},
		"no JSON":                        {"hello", 400},
		"half of it":                     {s.body[:len(s.body)/2], 400},
		"a list":                         {"[" + s.body + "]", 400},
		"a body nested deeply":           {strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), 400},
		"a list nested deeply":           {strings.Repeat("[", 100_000), 400},
		"a text where an object belongs": {`"` + strings.Repeat("x", 100) + `"`, 400},
	}
	if s.emptyBody {
		delete(bodies, "nothing")
	}
	for name, r := range s.refused {
		require.Contains(t, s.body, r.replace, name)
		bodies[name] = struct {
			body   string
			status int
		}{strings.Replace(s.body, r.replace, r.with, 1), r.status}
	}
	for name, b := range bodies {
		t.Run("reads "+name, func(t *testing.T) {
			d := s.delivery(b.body, s.secretOr())
			require.NoError(t, known.Verify(d))
			_, err := known.Read(d)
			var answer *sender.Answer
			require.ErrorAs(t, err, &answer)
			require.Equal(t, b.status, answer.Status, answer.Text)
		})
	}
}

func (s subject) secretOr() string {
	if s.secret == "" {
		return secret
	}
	return s.secret
}

func TestSecretsAreReadOneALine(t *testing.T) {
	got, err := sender.ParseSecrets("\n" + secret + " \r\n\n" + otherSecret)
	require.NoError(t, err)
	require.Equal(t, sender.Secrets{secret, otherSecret}, got)
	for text, want := range map[string]string{"": "there is no secret", "\n \n": "there is no secret", secret + "\nshort": "a secret has 5 characters; take at least 16"} {
		_, err := sender.ParseSecrets(text)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "short")
	}
	require.NoError(t, sender.Secrets{standardSecret}.CheckStandard())
	for _, bad := range []string{secret, "whsec_", "whsec_c2hvcnQ=", "whsec_" + strings.Repeat("A", 100), "whsec_!"} {
		require.ErrorContains(t, sender.Secrets{bad}.CheckStandard(), "a secret of Standard Webhooks is whsec_", bad)
	}
}

func TestNobodyCanMakeTooMuchOfAnEventsTexts(t *testing.T) {
	e := sender.Event{Key: strings.Repeat("k", 1000), By: strings.Repeat("ä", 1000), URL: "https://ci.example/7"}.Bounded()
	require.Len(t, e.Key, 64)
	require.Len(t, []rune(e.By), 100)
	require.Equal(t, "https://ci.example/7", e.URL)
	for _, bad := range []string{"javascript:alert(1)", "https://ci.example/" + strings.Repeat("x", 1000), "ci.example", "http://a\nb", "::"} {
		require.Empty(t, sender.Event{URL: bad}.Bounded().URL, bad)
	}
	require.Equal(t, "run/1/1", sender.Event{Key: "run/1/1"}.Bounded().Key)
}
