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

func TestACertificateThatNamesNobodyOrIsNotOfNowIsRefused(t *testing.T) {
	const nameless, late = "the certificate names nobody", "has expired, or is not valid yet"
	tests := map[string]struct {
		c    *tls.ConnectionState
		at   time.Duration
		want string
	}{
		"no name":                    {shown(t, "", nil, nil), 0, nameless},
		"an empty e-mail address":    {shown(t, "ann", []string{""}, nil), 0, nameless},
		"two e-mail addresses":       {shown(t, "ann", []string{"ann@acme.example", "bob@acme.example"}, nil), 0, "several names of one kind"},
		"two SPIFFE IDs":             {shown(t, "ann", nil, []string{"spiffe://acme.example/a", "spiffe://acme.example/b"}), 0, "several names of one kind"},
		"another URI":                {shown(t, "ann", nil, []string{"https://acme.example/ann"}), 0, "no SPIFFE ID"},
		"a URI that is like a token": {shown(t, "ann", nil, []string{"token:ci"}), 0, "no SPIFFE ID"},
		"a SPIFFE ID with a query":   {shown(t, "ann", nil, []string{"spiffe://acme.example/a?b"}), 0, "no SPIFFE ID"},
		"a group's name":             {shown(t, "@team-checkout", nil, nil), 0, nameless},
		"a group as its address":     {shown(t, "ann", []string{"@team-checkout"}, nil), 0, nameless},
		"a token's name":             {shown(t, "token:ci", nil, nil), 0, nameless},
		"a SPIFFE ID as its name":    {shown(t, "spiffe://acme.example/robot", nil, nil), 0, nameless},
		"a name with a blank":        {shown(t, "Ann Smith", nil, nil), 0, nameless},
		"an end that is over":        {shown(t, "ann", nil, nil), time.Hour + time.Second, late},
		"a beginning to come":        {shown(t, "ann", nil, nil), -time.Hour - time.Second, late},
	}
	require.GreaterOrEqual(t, len(tests), 10)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok, err := access.OfCertificate(tt.c, now.Add(tt.at))
			var answer *sender.Answer
			require.ErrorAs(t, err, &answer)
			require.Equal(t, 401, answer.Status)
			require.Contains(t, answer.Text, tt.want)
			require.False(t, ok)
			require.Empty(t, cmp.Diff(access.Person{}, got))
		})
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
