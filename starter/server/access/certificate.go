// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/tls"
	"crypto/x509"
	"regexp"
	"strings"
	"time"
)

// HowCertificate is how somebody is recognised who has a certificate.
const HowCertificate = "mtls"

// OfCertificate is who has the certificate that a connection was opened with, if it was. Whoever serves has verified
// it. Their name is the certificate's one e-mail address; without any, its one SPIFFE ID; without either, its common
// name. The error is a *sender.Answer.
func OfCertificate(c *tls.ConnectionState, now time.Time) (Person, bool, error) {
	if c == nil || len(c.VerifiedChains) == 0 || len(c.VerifiedChains[0]) == 0 {
		return Person{}, false, nil
	}
	leaf := c.VerifiedChains[0][0]
	// A connection may outlive the certificate that it was opened with.
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return Person{}, false, refused("the certificate has expired, or is not valid yet")
	}
	name, err := named(leaf)
	if err != nil {
		return Person{}, false, err
	}
	return Person{Name: name, How: HowCertificate}, true, nil
}

func named(leaf *x509.Certificate) (string, error) {
	name, uri := strings.ToLower(leaf.Subject.CommonName), false
	switch {
	case len(leaf.EmailAddresses) > 1 || len(leaf.EmailAddresses) == 0 && len(leaf.URIs) > 1:
		return "", refused("the certificate has several names of one kind, and does not say whose it is")
	case len(leaf.EmailAddresses) == 1:
		name = strings.ToLower(leaf.EmailAddresses[0])
	case len(leaf.URIs) == 1:
		name, uri = leaf.URIs[0].String(), true
	}
	if uri && !isSPIFFE(name) {
		return "", refused("the certificate's URI is no SPIFFE ID, such as spiffe://acme.example/deployer")
	}
	if !uri && !isName(name) {
		return "", refused("the certificate names nobody: %s", nameRule)
	}
	return name, nil
}

func isSPIFFE(name string) bool {
	return len(name) <= maxName && regexp.MustCompile(`^spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)+$`).MatchString(name)
}
