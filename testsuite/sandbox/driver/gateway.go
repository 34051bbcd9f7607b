// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const gatewayConfig = `tls: {stores: {default: {defaultCertificate: {certFile: %[1]q, keyFile: %[1]q}}}}
`

// writeGatewayConfig gives the gateway a certificate. It serves nothing by TLS here, but without one Traefik makes a new
// RSA key each time it takes up a configuration, which keeps every change of a weight waiting.
func writeGatewayConfig(dir string) error {
	pair := filepath.Join(dir, "gateway.pem")
	text, err := certificate()
	if err == nil {
		err = os.WriteFile(pair, text, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "gateway.yml"), fmt.Appendf(nil, gatewayConfig, pair), 0o644)
	}
	if err != nil {
		return fmt.Errorf("configure gateway: %w", err)
	}
	return nil
}

// certificate is one that nobody trusts, and its key.
func certificate() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"sandbox"}, NotAfter: time.Now().AddDate(10, 0, 0)}
	signed, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), nil
}
