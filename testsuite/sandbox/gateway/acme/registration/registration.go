// SPDX-License-Identifier: Apache-2.0

// Package registration stands in for ACME registration, which the sandbox does not do.
package registration

import "github.com/go-acme/lego/v5/acme"

type User interface {
	GetEmail() string
	GetRegistration() *acme.ExtendedAccount
}

type RegisterOptions struct{ TermsOfServiceAgreed bool }

type RegisterEABOptions struct {
	TermsOfServiceAgreed bool
	Kid, HmacEncoded     string
}
