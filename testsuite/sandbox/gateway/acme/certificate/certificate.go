// SPDX-License-Identifier: Apache-2.0

// Package certificate stands in for ACME certificates, which the sandbox does not obtain.
package certificate

import "github.com/go-acme/lego/v5/certcrypto"

type Resource struct {
	ID                      string
	Domains                 []string
	PrivateKey, Certificate []byte
}

type ObtainRequest struct {
	Domains                  []string
	Bundle, EnableCommonName bool
	EmailAddresses           []string
	Profile, PreferredChain  string
	KeyType                  certcrypto.KeyType
}

type RenewOptions struct {
	Bundle, EnableCommonName bool
	EmailAddresses           []string
	Profile, PreferredChain  string
}
