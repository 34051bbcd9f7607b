// SPDX-License-Identifier: Apache-2.0

// Package app signs statements of a GitHub App, by which it shows who it is.
package app

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// lasts is how long a statement does; GitHub takes at most 10 minutes.
	lasts = 5 * time.Minute
	// skew between the clocks of two machines.
	skew = time.Minute
)

// Key signs for one App.
type Key struct {
	id     int64
	signer jose.Signer
}

// NewKey reads the private key of an App, in PEM. No error contains any of it.
func NewKey(id int64, text string) (*Key, error) {
	key, err := parse(text)
	if err != nil {
		return nil, errors.New("give the PEM that GitHub has made for the App, with its first and last line")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, errors.New("the App's key cannot sign")
	}
	return &Key{id, signer}, nil
}

// Statement says which App it is, for some minutes from now on.
func (k *Key) Statement(now time.Time) (string, error) {
	text, err := jwt.Signed(k.signer).Claims(jwt.Claims{
		Issuer: strconv.FormatInt(k.id, 10), IssuedAt: jwt.NewNumericDate(now.Add(-skew)), Expiry: jwt.NewNumericDate(now.Add(lasts)),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign as GitHub App %d: %w", k.id, err)
	}
	return text, nil
}

// parse reads PKCS #1, which GitHub writes, and PKCS #8, into which people convert it.
func parse(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(strings.TrimSpace(text)))
	if block == nil {
		return nil, errors.New("no PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	any8, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := any8.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("no RSA key")
	}
	return key, nil
}
