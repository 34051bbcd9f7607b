// SPDX-License-Identifier: Apache-2.0

package email_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/email"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// certificate is the server's; the system trusts it in these tests.
var certificate tls.Certificate

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "slipway-")
	if err != nil {
		panic(err)
	}
	file := filepath.Join(dir, "ca.pem")
	certificate, err = issue(file)
	if err == nil {
		err = os.Setenv("SSL_CERT_FILE", file)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func issue(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, os.WriteFile(file, text, 0o600)
}

// server is a mail server that keeps what it gets.
type server struct {
	// answers are given to RCPT, one after the other; nil: taken.
	answers []error
	// silent never answers RCPT.
	silent chan struct{}

	mu    sync.Mutex
	mails []string
	to    [][]string
	auths int
}

type session struct {
	*server
	to []string
}

func (s *server) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.auths++
		if username != "slipway" || password != conformance.Canary {
			return &smtp.SMTPError{Code: 535, Message: "no, not " + password}
		}
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.silent != nil {
		<-s.silent
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) > 0 {
		answer := s.answers[0]
		s.answers = s.answers[1:]
		return answer
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails, s.server.to = append(s.mails, string(text)), append(s.server.to, s.to)
	return err
}

func (s *session) Reset() { s.to = nil }

func (s *session) Logout() error { return nil }

// listen serves until the test ends. With implicit, TLS comes before the first word.
func (s *server) listen(t *testing.T, implicit bool) string {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	server := smtp.NewServer(s)
	server.Domain = "localhost"
	server.TLSConfig = config
	if implicit {
		l = tls.NewListener(l, config)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return address
}

func config(server string) email.Config {
	return email.Config{
		Server: server, Username: "slipway", Password: outbound.NewSecret(conformance.Canary),
		From: "Slipway <slipway@example.com>", To: []string{"Team Ä <team@example.com>", "boss@example.com"},
	}
}

func send(t *testing.T, c email.Config, events ...plan.Event) error {
	t.Helper()
	n, err := email.New(c, time.Now)
	require.NoError(t, err)
	for _, e := range events {
		if err := n.Notify(t.Context(), conformance.Message(e)); err != nil {
			return err
		}
	}
	return nil
}

func TestAMailIsSentOverEachKindOfTLSAndIsWhatAMailMustBe(t *testing.T) {
	for name, implicit := range map[string]bool{"starttls": false, "implicit": true} {
		t.Run(name, func(t *testing.T) {
			s := &server{}
			c := config(s.listen(t, implicit))
			c.TLS = name
			require.NoError(t, send(t, c, plan.GateWaits))
			require.Equal(t, 1, s.auths)
			require.Equal(t, [][]string{{"team@example.com", "boss@example.com"}}, s.to)
			m, err := mail.ReadMessage(strings.NewReader(s.mails[0]))
			require.NoError(t, err)
			require.Equal(t, "<checkout-abc123/gate/2@slipway.example.com>", m.Header.Get("Message-ID"))
			require.Equal(t, "<checkout-abc123@slipway.example.com>", m.Header.Get("References"))
			require.Equal(t, "auto-generated", m.Header.Get("Auto-Submitted"))
			require.Equal(t, "checkout in production waits for people", m.Header.Get("Subject"))
			to, err := m.Header.AddressList("To")
			require.NoError(t, err)
			require.Equal(t, "Team Ä", to[0].Name)
			at, err := m.Header.Date()
			require.NoError(t, err)
			require.Equal(t, conformance.Message(plan.GateWaits).At, at.UTC())
			body, err := io.ReadAll(m.Body)
			require.NoError(t, err)
			require.Contains(t, string(body), "what happened & why <b>")
			require.Contains(t, string(body), "Until: 2030-01-01 10:00:00 UTC, then the release is undone")
		})
	}
}

func TestEveryAttemptHasTheSameIDAndEveryEventAnother(t *testing.T) {
	s := &server{}
	require.NoError(t, send(t, config(s.listen(t, false)), append(plan.Events(), plan.Events()...)...))
	count := map[string]int{}
	for _, text := range s.mails {
		m, err := mail.ReadMessage(strings.NewReader(text))
		require.NoError(t, err)
		count[m.Header.Get("Message-ID")]++
	}
	require.Len(t, count, len(plan.Events()))
	for id, n := range count {
		require.Equal(t, 2, n, id)
	}
}

func TestWhatTheServerSaysDecidesWhetherItIsTriedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		answer error
		final  bool
		want   string
	}{
		"grey-listed":   {&smtp.SMTPError{Code: 450, Message: "try later"}, false, "answered 450: try later"},
		"shutting down": {&smtp.SMTPError{Code: 421, Message: "bye"}, false, "answered 421"},
		"nobody there":  {&smtp.SMTPError{Code: 550, Message: "no such user"}, true, "answered 550: no such user"},
		"ailing":        {errors.New("disk full"), false, "answered 451: disk full"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{answers: []error{tt.answer}}
			err := send(t, config(s.listen(t, false)), plan.Undone)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.final, fault.Final(err), err)
			require.Empty(t, s.mails)
		})
	}
}

func TestAWrongPasswordIsFinalAndNotNamed(t *testing.T) {
	s := &server{}
	c := config(s.listen(t, false))
	c.Password = outbound.NewSecret("wrong-" + conformance.Canary)
	err := send(t, c, plan.Undone)
	require.ErrorContains(t, err, "answered 535: no, not (hidden); check the receiver's credentials")
	require.Equal(t, fault.Denied, fault.Of(err))
	n, err := email.New(c, time.Now)
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", n, n, n), conformance.Canary)
}

func TestAServerWithoutTLSGetsNothing(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &server{}
	plain := smtp.NewServer(s)
	go func() { _ = plain.Serve(l) }()
	t.Cleanup(func() { _ = plain.Close() })
	err = send(t, config(l.Addr().String()), plan.Undone)
	require.ErrorContains(t, err, "STARTTLS")
	require.Zero(t, s.auths)
	open := config(l.Addr().String())
	open.TLS, open.Username, open.Password = "none", "", outbound.Secret{}
	require.NoError(t, send(t, open, plan.Undone))
	require.Len(t, s.mails, 1)
}

func TestAServerThatDoesNotAnswerIsLeftWithTheContext(t *testing.T) {
	s := &server{silent: make(chan struct{})}
	n, err := email.New(config(s.listen(t, false)), time.Now)
	require.NoError(t, err)
	t.Cleanup(func() { close(s.silent) })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err = n.Notify(ctx, conformance.Message(plan.Undone))
	require.Error(t, err)
	require.False(t, fault.Final(err), err)
}

func TestMailThatCannotBeSentIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*email.Config)
		want   string
	}{
		"no server":                  {func(c *email.Config) { c.Server = "" }, "server: write host and port"},
		"no port":                    {func(c *email.Config) { c.Server = "smtp.example.com" }, "server: write host and port"},
		"a TLS nobody knows":         {func(c *email.Config) { c.TLS = "yes" }, "tls: must be starttls, implicit or none"},
		"a password in the open":     {func(c *email.Config) { c.TLS = "none" }, "password: is not sent without TLS"},
		"a password without a name":  {func(c *email.Config) { c.Username = "" }, "password: is not sent without TLS, and not without a username"},
		"nobody sends":               {func(c *email.Config) { c.From = "" }, "from: write an address"},
		"nobody gets it":             {func(c *email.Config) { c.To = nil }, "to: give at least one address"},
		"a header in an address":     {func(c *email.Config) { c.To = []string{"a@example.com\r\nBcc: b@example.com"} }, "to[0]: write an address"},
		"an address that is no such": {func(c *email.Config) { c.To = []string{"a@example.com", "team"} }, "to[1]: write an address"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config("smtp.example.com:587")
			tt.change(&c)
			_, err := email.New(c, time.Now)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), conformance.Canary)
		})
	}
}
