// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func establish(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Acme"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{t, cert, key}
}

func (a *authority) text() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// certify makes a certificate and its key, as PEM.
func (a *authority) certify(usage x509.ExtKeyUsage, change func(*x509.Certificate)) (cert, key string) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	require.NoError(a.t, err)
	text, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(a.t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}

func ofAnn(c *x509.Certificate) { c.EmailAddresses = []string{"ann@acme.example"} }

// own writes the server's certificate, with a number.
func (h *house) own(a *authority, number int64) {
	h.t.Helper()
	cert, key := a.certify(x509.ExtKeyUsageServerAuth, func(c *x509.Certificate) {
		c.SerialNumber, c.IPAddresses = big.NewInt(number), []net.IP{net.IPv4(127, 0, 0, 1)}
	})
	h.write(h.secrets, "tls.crt", cert)
	h.write(h.secrets, "tls.key", key)
}

// show makes the house asked by a client with a certificate; without any by one that has none.
func (h *house) show(server *authority, cert, key string) {
	h.t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool(), Time: func() time.Time { return now }}
	config.RootCAs.AddCert(server.cert)
	if cert != "" {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		require.NoError(h.t, err)
		// It is shown also where the server names other authorities.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	h.client = &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// withCertificates furnishes a house with TLS that knows people by the certificates of one authority.
func withCertificates(t *testing.T) (h *house, server, people *authority) {
	t.Helper()
	h, _ = withPeople(t)
	server, people = establish(t), establish(t)
	h.own(server, 10)
	h.write(h.secrets, "ca.crt", people.text())
	for name, file := range map[string]string{"SLIPWAY_TLS_CERT": "tls.crt", "SLIPWAY_TLS_KEY": "tls.key", "SLIPWAY_TLS_CLIENT_CA": "ca.crt"} {
		h.env[name] = filepath.Join(h.secrets, file)
	}
	return h, server, people
}

func TestACertificateProvesWhoCalls(t *testing.T) {
	h, server, people := withCertificates(t)
	h.open()
	h.temporal.set("runs", workflows.Baking)
	cert, key := people.certify(x509.ExtKeyUsageClientAuth, ofAnn)
	h.show(server, cert, key)
	status, text := h.ask("POST", releases+"runs/abort", `{"reason": "broken"}`)
	require.Equal(t, 200, status, text)
	d := h.temporal.decision()
	require.Equal(t, "ann@acme.example", d.Who)
	require.Equal(t, "mtls", d.How)
	status, text = h.ask("POST", gate+"runs/approve", "")
	require.Equal(t, 403, status, text)
	require.Contains(t, text, "ann@acme.example has no right to approve for production/checkout", "a certificate names no groups")
	status, text = h.ask("POST", releases+"runs/abort", `{"reason": "clicked elsewhere"}`, "Sec-Fetch-Site", "cross-site")
	require.Equal(t, 403, status, text)
	require.Contains(t, text, "a browser sends this for a page of another site")
	status, text = h.ask("GET", "/api/v1/plans", "", h.as("slipway_wrong")...)
	require.Equal(t, 401, status, text)
	require.Contains(t, text, "the token is not known", "it does not fall back to the certificate")
	status, _ = h.ask("GET", "/api/v1/plans", "", h.as(h.reader)...)
	require.Equal(t, 200, status)
}

func TestAStreamComesByTLSToo(t *testing.T) {
	h, server, people := withCertificates(t)
	h.open()
	h.temporal.set("runs", workflows.Baking)
	cert, key := people.certify(x509.ExtKeyUsageClientAuth, ofAnn)
	h.show(server, cert, key)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+releases+"runs/events", nil)
	require.NoError(t, err)
	resp, err := h.client.Do(req)
	require.NoError(t, err)
	require.Equal(t, 2, resp.ProtoMajor)
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		return ""
	}
	require.Contains(t, next(), `"phase":"baking"`)
	h.temporal.set("runs", workflows.Promoted)
	require.Contains(t, next(), `"phase":"promoted"`)
	require.Empty(t, next())
	require.NoError(t, resp.Body.Close())
}

func TestWhoeverShowsNoCertificateNeedsAToken(t *testing.T) {
	h, server, _ := withCertificates(t)
	h.open()
	h.show(server, "", "")
	status, text := h.ask("GET", "/api/v1/plans", "")
	require.Equal(t, 401, status, text)
	status, text = h.ask("GET", "/api/v1/plans", "", h.as(h.reader)...)
	require.Equal(t, 200, status, text)
	status, text = h.deliver(run())
	require.Equal(t, 202, status, text)
}

func TestACertificateThatDoesNotStandOpensNoConnection(t *testing.T) {
	h, server, people := withCertificates(t)
	h.open()
	stranger := establish(t)
	tests := map[string]struct {
		by     *authority
		usage  x509.ExtKeyUsage
		change func(*x509.Certificate)
	}{
		"of another authority": {stranger, x509.ExtKeyUsageClientAuth, ofAnn},
		"of the server's":      {server, x509.ExtKeyUsageClientAuth, ofAnn},
		"of a server":          {people, x509.ExtKeyUsageServerAuth, ofAnn},
		"expired":              {people, x509.ExtKeyUsageClientAuth, func(c *x509.Certificate) { ofAnn(c); c.NotAfter = now.Add(-time.Minute) }},
		"not valid yet":        {people, x509.ExtKeyUsageClientAuth, func(c *x509.Certificate) { ofAnn(c); c.NotBefore = now.Add(time.Minute) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cert, key := tt.by.certify(tt.usage, tt.change)
			h.show(server, cert, key)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/api/v1/plans", nil)
			require.NoError(t, err)
			resp, err := h.client.Do(req)
			if err == nil {
				require.NoError(t, resp.Body.Close())
			}
			require.Error(t, err, "how the client notices is its own affair")
		})
	}
	cert, key := people.certify(x509.ExtKeyUsageClientAuth, func(c *x509.Certificate) { c.Subject.CommonName = "token:ci" })
	h.show(server, cert, key)
	status, text := h.ask("GET", "/api/v1/plans", "")
	require.Equal(t, 401, status, text)
	require.Contains(t, text, "the certificate names nobody")
}

func TestTheServersCertificateIsReadAnew(t *testing.T) {
	h, server, _ := withCertificates(t)
	h.open()
	h.show(server, "", "")
	number := func() int64 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/healthz", nil)
		require.NoError(t, err)
		resp, err := h.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	require.EqualValues(t, 10, number())
	before := time.Now().Add(-time.Hour)
	h.write(h.secrets, "tls.key", "half written")
	require.NoError(t, os.Chtimes(filepath.Join(h.secrets, "tls.key"), before, before))
	require.EqualValues(t, 10, number(), "what cannot be used changes nothing")
	require.Contains(t, h.log.String(), "certificate was not read")
	h.own(server, 11)
	require.EqualValues(t, 11, number())
	require.NoError(t, os.Remove(filepath.Join(h.secrets, "tls.key")))
	require.EqualValues(t, 11, number())
}
