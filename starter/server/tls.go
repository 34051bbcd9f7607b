// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// secured is how connections are encrypted, or nil where they are not. A client may show a certificate; one that
// does not stand is refused, and senders of webhooks show none.
func (c Config) secured(w World) (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	own := &certificate{certFile: c.TLSCert, keyFile: c.TLSKey, logger: w.Logger}
	if err := own.load(); err != nil {
		return nil, fmt.Errorf("%w; see SLIPWAY_TLS_CERT and SLIPWAY_TLS_KEY", err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: own.get, Time: w.Now}
	if c.TLSClientCA == "" {
		return out, nil
	}
	text, err := os.ReadFile(c.TLSClientCA)
	if err != nil {
		return nil, fmt.Errorf("read authorities of client certificates: %w; see SLIPWAY_TLS_CLIENT_CA", err)
	}
	out.ClientCAs, out.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
	if !out.ClientCAs.AppendCertsFromPEM(text) {
		return nil, errors.New("read authorities of client certificates: there is no certificate in the file of SLIPWAY_TLS_CLIENT_CA")
	}
	// Each connection shows its certificate anew.
	out.SessionTicketsDisabled = true
	return out, nil
}

// certificate is the server's own. It is read anew once its files have changed.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu     sync.Mutex
	stamp  [2]stamp
	loaded *tls.Certificate
}

// stamp tells one content of a file from another.
type stamp struct {
	at   time.Time
	size int64
}

// get is asked for every connection. Files that cannot be used change nothing: a pair may be half written.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now, err := c.look(); err == nil && now != c.stamp {
		if err := c.read(now); err != nil {
			c.logger.Error("certificate was not read", "error", err)
		} else {
			c.logger.Info("certificate read")
		}
	}
	return c.loaded, nil
}

// load reads it for the first time.
func (c *certificate) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := c.look()
	if err != nil {
		return err
	}
	return c.read(now)
}

// read takes what is in the files. What could not be used is not tried again before it has changed.
func (c *certificate) read(now [2]stamp) error {
	c.stamp = now
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	c.loaded = &pair
	return nil
}

func (c *certificate) look() ([2]stamp, error) {
	var out [2]stamp
	for i, file := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return out, fmt.Errorf("read certificate: %w", err)
		}
		out[i] = stamp{info.ModTime(), info.Size()}
	}
	return out, nil
}
