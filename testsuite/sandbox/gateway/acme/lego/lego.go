// SPDX-License-Identifier: Apache-2.0

// Package lego stands in for an ACME client that refuses everything: it is not supported in the sandbox.
package lego

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"github.com/go-acme/lego/v5/acme"
	"github.com/go-acme/lego/v5/certificate"
	"github.com/go-acme/lego/v5/challenge"
	"github.com/go-acme/lego/v5/challenge/dns01"
	"github.com/go-acme/lego/v5/challenge/http01"
	"github.com/go-acme/lego/v5/challenge/tlsalpn01"
	"github.com/go-acme/lego/v5/registration"
)

const DirectoryURLLetsEncrypt = ""

var errUnsupported = errors.New("ACME is not supported in the sandbox")

type Config struct {
	CADirURL, UserAgent string
	HTTPClient          *http.Client
	Certificate         struct{ Timeout time.Duration }
}

type Client struct {
	Challenge    Challenges
	Certificate  Certifier
	Registration Registrar
}

type (
	Challenges struct{}
	Certifier  struct{}
	Registrar  struct{}
)

func NewConfig(registration.User) *Config                   { return &Config{} }
func NewClient(*Config) (*Client, error)                    { return nil, errUnsupported }
func CreateCertPool([]string, bool) (*x509.CertPool, error) { return nil, errUnsupported }

func (Challenges) SetDNS01Provider(challenge.Provider, ...dns01.ChallengeOption) error {
	return errUnsupported
}

func (Challenges) SetHTTP01Provider(challenge.Provider, ...http01.ChallengeOption) error {
	return errUnsupported
}

func (Challenges) SetTLSALPN01Provider(challenge.Provider, ...tlsalpn01.ChallengeOption) error {
	return errUnsupported
}

func (Certifier) Obtain(context.Context, certificate.ObtainRequest) (*certificate.Resource, error) {
	return nil, errUnsupported
}

func (Certifier) Renew(context.Context, certificate.Resource, *certificate.RenewOptions) (*certificate.Resource, error) {
	return nil, errUnsupported
}

func (Registrar) Register(context.Context, registration.RegisterOptions) (*acme.ExtendedAccount, error) {
	return nil, errUnsupported
}

func (Registrar) RegisterWithExternalAccountBinding(context.Context, registration.RegisterEABOptions) (*acme.ExtendedAccount, error) {
	return nil, errUnsupported
}
