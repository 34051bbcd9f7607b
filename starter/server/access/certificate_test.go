// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/access"
	"github.com/slipwayhq/slipway/starter/server/sender"
)

// shown is a connection with a certificate that was verified.
func shown(t *testing.T, name string, emails, uris []string) *tls.ConnectionState {
	t.Helper()
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: name}, EmailAddresses: emails, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	for _, text := range uris {
		u, err := url.Parse(text)
		require.NoError(t, err)
		leaf.URIs = append(leaf.URIs, u)
	}
	return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
}

func TestACertificateSaysWhoAPersonIs(t *testing.T) {
	for want, c := range map[string]*tls.ConnectionState{
		"ann@acme.example":             shown(t, "Somebody", []string{"Ann@acme.example"}, []string{"spiffe://acme.example/ann"}),
		"spiffe://acme.example/Robot":  shown(t, "robot", nil, []string{"spiffe://acme.example/Robot"}),
		"ann":                          shown(t, "Ann", nil, nil),
		"spiffe://acme.example/ns/a/b": shown(t, "", nil, []string{"spiffe://acme.example/ns/a/b"}),
	} {
		got, ok, err := access.OfCertificate(c, now)
		require.NoError(t, err)
		require.True(t, ok)
		require.Empty(t, cmp.Diff(access.Person{Name: want, How: "mtls"}, got))
	}
}

func TestACertificateThatNamesNobodyIsRefused(t *testing.T) {
	for name, c := range map[string]*tls.ConnectionState{
		"no name":                    shown(t, "", nil, nil),
		"two e-mail addresses":       shown(t, "ann", []string{"ann@acme.example", "bob@acme.example"}, nil),
		"two SPIFFE IDs":             shown(t, "ann", nil, []string{"spiffe://acme.example/a", "spiffe://acme.example/b"}),
		"another URI":                shown(t, "ann", nil, []string{"https://acme.example/ann"}),
		"a URI that is like a token": shown(t, "ann", nil, []string{"token:ci"}),
		"a group's name":             shown(t, "@team-checkout", nil, nil),
		"a token's name":             shown(t, "token:ci", nil, nil),
		"a SPIFFE ID as its name":    shown(t, "spiffe://acme.example/robot", nil, nil),
		"a name with a blank":        shown(t, "Ann Smith", nil, nil),
	} {
		t.Run(name, func(t *testing.T) {
			got, ok, err := access.OfCertificate(c, now)
			var answer *sender.Answer
			require.ErrorAs(t, err, &answer)
			require.Equal(t, 401, answer.Status)
			require.False(t, ok)
			require.Empty(t, cmp.Diff(access.Person{}, got))
		})
	}
	for _, at := range []time.Time{now.Add(2 * time.Hour), now.Add(-2 * time.Hour)} {
		_, ok, err := access.OfCertificate(shown(t, "ann", nil, nil), at)
		require.ErrorContains(t, err, "has expired, or is not valid yet")
		require.False(t, ok)
	}
}

func TestACertificateThatNobodyHasVerifiedIsNone(t *testing.T) {
	unverified := shown(t, "ann", nil, nil)
	unverified.VerifiedChains = nil
	for _, c := range []*tls.ConnectionState{nil, {}, unverified} {
		_, ok, err := access.OfCertificate(c, now)
		require.NoError(t, err)
		require.False(t, ok)
	}
}
