// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// pki is where the cluster's keys are. It is made once: clients and stored tokens outlive a restart.
type pki struct{ dir string }

// keyPair is a certificate and its key.
type keyPair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// loadPKI makes the keys under another name and renames the directory, so that a first boot that is
// killed leaves nothing half-made.
func loadPKI(dir string) (pki, error) {
	p := pki{dir}
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	fresh := dir + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, 0o700)); err != nil {
		return p, fmt.Errorf("make key directory: %w", err)
	}
	ca, err := makePair(x509.Certificate{
		Subject: pkix.Name{CommonName: "sandbox-ca"}, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, nil)
	if err != nil {
		return p, err
	}
	for name, template := range map[string]x509.Certificate{
		"server": {
			Subject:     pkix.Name{CommonName: "kube-apiserver"},
			DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1), net.ParseIP(nodeAddress)},
		},
		"admin":          {Subject: pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}},
		"serviceaccount": {Subject: pkix.Name{CommonName: "serviceaccount"}},
	} {
		pair, err := makePair(template, ca)
		if err != nil {
			return p, err
		}
		if err := pair.write(fresh, name); err != nil {
			return p, err
		}
	}
	if err := ca.write(fresh, "ca"); err != nil {
		return p, err
	}
	return p, os.Rename(fresh, dir)
}

// makePair signs a template with its issuer, or with its own key where there is none.
func makePair(template x509.Certificate, issuer *keyPair) (*keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	template.SerialNumber, template.BasicConstraintsValid = serial, true
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(5, 0, 0)
	parent, signer := &template, key
	if issuer != nil {
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	return &keyPair{cert, key}, nil
}

func (k *keyPair) write(dir, name string) error {
	der, err := x509.MarshalECPrivateKey(k.key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, name+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.cert.Raw}), 0o600),
		os.WriteFile(filepath.Join(dir, name+".key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600),
	)
}

func (p pki) cert(name string) string { return filepath.Join(p.dir, name+".crt") }
func (p pki) key(name string) string  { return filepath.Join(p.dir, name+".key") }

func (o options) pki() pki                { return pki{filepath.Join(o.dir, "pki")} }
func (o options) innerKubeconfig() string { return filepath.Join(o.dir, "inner.kubeconfig") }

// writeKubeconfigs lets those inside and those outside the sandbox in as administrators.
func (p pki) writeKubeconfigs(o options) error {
	return errors.Join(p.writeKubeconfig(o.innerKubeconfig(), apiAddress), p.writeKubeconfig(o.kubeconfig, o.external))
}

func (p pki) writeKubeconfig(file, server string) error {
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil // an empty certificate is refused by every client, with a clearer message
		}
		return b
	}
	c := api.NewConfig()
	c.Clusters["sandbox"] = &api.Cluster{Server: server, CertificateAuthorityData: read(p.cert("ca"))}
	c.AuthInfos["admin"] = &api.AuthInfo{ClientCertificateData: read(p.cert("admin")), ClientKeyData: read(p.key("admin"))}
	c.Contexts["sandbox"] = &api.Context{Cluster: "sandbox", AuthInfo: "admin"}
	c.CurrentContext = "sandbox"
	if err := clientcmd.WriteToFile(*c, file); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}
