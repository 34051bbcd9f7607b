// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"

	"github.com/slipwayhq/slipway/activities/record/s3"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// config is the environment of a worker. Temporal's address, namespace and certificates come from
// TEMPORAL_* variables or a profile, as for every Temporal tool.
type config struct {
	// Prometheus is the URL of the server that the analyses read.
	Prometheus string `env:"SLIPWAY_PROMETHEUS_URL,required,notEmpty"`
	// Listen is where health (/healthz, /readyz) and metrics (/metrics) are served.
	Listen string `env:"SLIPWAY_LISTEN" envDefault:":8080"`
	// Records is where the records of releases are kept: a directory, or a bucket such as s3://bucket/prefix, reached as the
	// AWS_* variables say (see operations); empty: none are kept.
	Records string `env:"SLIPWAY_RECORDS"`
	// RecordDir is the older name of SLIPWAY_RECORDS, for a directory.
	RecordDir string `env:"SLIPWAY_RECORD_DIR"`
	// Kubeconfig is a kubeconfig file; empty: KUBECONFIG, else the pod's service account.
	Kubeconfig string `env:"SLIPWAY_KUBECONFIG"`
	// LogLevel is debug, info, warn or error; JSON on standard error.
	LogLevel slog.Level `env:"SLIPWAY_LOG_LEVEL" envDefault:"info"`
	// Watches is how many watches this worker follows at once, 1 to 10000.
	Watches int `env:"SLIPWAY_WATCHES" envDefault:"1000"`
	// RegistryConfig is a file with credentials for registries, as Docker writes it; empty: none are sent.
	RegistryConfig string `env:"SLIPWAY_REGISTRY_CONFIG"`
	// RegistryMirrors are asked for the digest of a tag in place of a registry, such as docker.io=https://mirror.example, several with a comma between them.
	RegistryMirrors map[string]string `env:"SLIPWAY_REGISTRY_MIRRORS" envKeyValSeparator:"="`
	// KubeQPS limits requests per second to the Kubernetes API.
	KubeQPS float32 `env:"SLIPWAY_KUBE_QPS" envDefault:"50"`
	// KubeBurst is how many of them may come at once.
	KubeBurst int `env:"SLIPWAY_KUBE_BURST" envDefault:"100"`
	// ApprovalKeys are the public keys whose statements count, each written as whom it speaks for and the key:
	// "*=slipway_pk_…" for a server that knows people, "ann=slipway_pk_…" for a person. With none, nothing that
	// asks for approval can be approved.
	ApprovalKeys statement.Keys `env:"SLIPWAY_APPROVAL_KEYS"`
	// Receivers is the file of those who can be told what releases do, with their secrets; empty: nobody.
	Receivers string `env:"SLIPWAY_RECEIVERS"`
	// TemporalUI is the URL of Temporal's UI, for the links in messages; empty: they have none.
	TemporalUI string `env:"SLIPWAY_TEMPORAL_UI_URL"`
}

func configure(environment map[string]string) (config, error) {
	c, err := env.ParseAsWithOptions[config](env.Options{
		Environment: environment,
		FuncMap: map[reflect.Type]env.ParserFunc{reflect.TypeFor[statement.Keys](): func(text string) (any, error) {
			return statement.ParseKeys(text)
		}},
	})
	if err != nil {
		return c, fmt.Errorf("read environment: %w", err)
	}
	if u, err := url.Parse(c.Prometheus); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return c, fmt.Errorf("read environment: SLIPWAY_PROMETHEUS_URL %q is not a URL; write one such as http://prometheus:9090", c.Prometheus)
	}
	if c.Watches < 1 || c.Watches > 10_000 {
		return c, fmt.Errorf("read environment: SLIPWAY_WATCHES is %d; write a number from 1 to 10000", c.Watches)
	}
	if c.KubeQPS <= 0 || c.KubeBurst < 1 {
		return c, fmt.Errorf("read environment: SLIPWAY_KUBE_QPS is %v and SLIPWAY_KUBE_BURST %d; write numbers above 0", c.KubeQPS, c.KubeBurst)
	}
	if u, err := url.Parse(c.TemporalUI); c.TemporalUI != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return c, fmt.Errorf("read environment: SLIPWAY_TEMPORAL_UI_URL %q is not a URL; write one such as https://temporal.example", c.TemporalUI)
	}
	return c.whereRecordsAre()
}

// whereRecordsAre makes one of both names, and refuses what is no place.
func (c config) whereRecordsAre() (config, error) {
	if c.Records != "" && c.RecordDir != "" {
		return c, errors.New("read environment: SLIPWAY_RECORDS and SLIPWAY_RECORD_DIR are both set; the second is the older name of the first: set SLIPWAY_RECORDS alone")
	}
	c.Records, c.RecordDir = c.Records+c.RecordDir, ""
	if !strings.Contains(c.Records, "://") {
		return c, nil
	}
	if _, _, err := s3.Parse(c.Records); err != nil {
		return c, fmt.Errorf("read environment: SLIPWAY_RECORDS: %w", err)
	}
	return c, nil
}
