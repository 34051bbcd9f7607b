// SPDX-License-Identifier: Apache-2.0

package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
)

// The ways in which a connection is secured.
const (
	startTLS = "starttls"
	implicit = "implicit"
	none     = "none"
)

// Config of mail.
type Config struct {
	// Server that takes the mail, as host:port; port 587 is usual with starttls, 465 with implicit.
	Server string `json:"server"`
	// TLS is starttls (default: the server must offer it), implicit, or none, which sends no password.
	TLS string `json:"tls,omitempty"`
	// Username that the server knows the worker by; left out: it asks for none.
	Username string `json:"username,omitempty"`
	// Password of that name. It is never sent without TLS.
	Password outbound.Secret `json:"password,omitzero"`
	// From is the address that sends, such as Slipway <slipway@example.com>.
	From string `json:"from"`
	// To are the addresses that get it.
	To []string `json:"to"`
}

// Notifier sends mail.
type Notifier struct {
	config Config
	host   string
	from   *mail.Address
	to     []*mail.Address
	sender *outbound.Sender
}

var _ activities.Notifier = (*Notifier)(nil)

// New refuses what cannot be sent.
func New(c Config, now func() time.Time) (*Notifier, error) {
	n := &Notifier{config: c, sender: outbound.NewSender(now, c.Password)}
	var err error
	if n.host, _, err = net.SplitHostPort(c.Server); err != nil || n.host == "" {
		return nil, errors.New("server: write host and port, such as smtp.example.com:587")
	}
	if n.config.TLS == "" {
		n.config.TLS = startTLS
	}
	if t := n.config.TLS; t != startTLS && t != implicit && t != none {
		return nil, errors.New("tls: must be starttls, implicit or none")
	}
	if c.Password.Given() && (n.config.TLS == none || c.Username == "") {
		return nil, errors.New("password: is not sent without TLS, and not without a username")
	}
	if n.from, err = mail.ParseAddress(c.From); err != nil {
		return nil, errors.New("from: write an address such as Slipway <slipway@example.com>")
	}
	if len(c.To) == 0 {
		return nil, errors.New("to: give at least one address")
	}
	for i, a := range c.To {
		to, err := mail.ParseAddress(a)
		if err != nil {
			return nil, fmt.Errorf("to[%d]: write an address such as team@example.com", i)
		}
		n.to = append(n.to, to)
	}
	return n, nil
}

// Notify implements activities.Notifier.
func (n *Notifier) Notify(ctx context.Context, m activities.Message) error {
	if m.Closing {
		return nil // it opened nothing
	}
	ctx, cancel := context.WithTimeout(ctx, outbound.Patience)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", n.config.Server)
	if err != nil {
		return outbound.Unreachable(n.config.Server, err)
	}
	// Whatever the server does, the connection ends in time: the library's own patience is minutes.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	return n.sort(n.send(conn, m))
}

func (n *Notifier) send(conn net.Conn, m activities.Message) error {
	c, err := n.open(conn)
	if err != nil {
		_ = conn.Close()
		return err
	}
	defer func() { _ = c.Close() }()
	if n.config.Password.Given() {
		if err := c.Auth(sasl.NewPlainClient("", n.config.Username, n.config.Password.Reveal())); err != nil {
			return err
		}
	}
	if err := c.Mail(n.from.Address, nil); err != nil {
		return err
	}
	for _, to := range n.to {
		if err := c.Rcpt(to.Address, nil); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(n.compose(m)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // it is sent
	return nil
}

// open speaks to a server, secured as the configuration says.
func (n *Notifier) open(conn net.Conn) (*smtp.Client, error) {
	config := &tls.Config{ServerName: n.host, MinVersion: tls.VersionTLS12}
	switch n.config.TLS {
	case implicit:
		return smtp.NewClient(tls.Client(conn, config)), nil
	case none:
		return smtp.NewClient(conn), nil
	}
	return smtp.NewClientStartTLS(conn, config)
}

// sort tells what another attempt can heal.
func (n *Notifier) sort(err error) error {
	if err == nil {
		return nil
	}
	said, ok := errors.AsType[*smtp.SMTPError](err)
	if !ok {
		return outbound.Unreachable(n.config.Server, err)
	}
	text := n.sender.Hide(said.Message)
	if said.Temporary() {
		return fault.New(fault.Unavailable, "%s answered %d: %s", n.config.Server, said.Code, text)
	}
	if said.Code == 535 || said.Code == 530 {
		return fault.New(fault.Denied, "%s answered %d: %s; check the receiver's credentials in the file of SLIPWAY_RECEIVERS", n.config.Server, said.Code, text)
	}
	return fault.New(fault.Invalid, "%s answered %d: %s", n.config.Server, said.Code, text)
}
