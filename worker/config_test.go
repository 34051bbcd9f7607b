// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log/slog"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// Public keys of nobody.
const (
	approvalKey = "slipway_pk_11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
	personKey   = "slipway_pk_PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"
)

func TestConfigHasDefaultsForAllButPrometheus(t *testing.T) {
	c, err := configure(map[string]string{"SLIPWAY_PROMETHEUS_URL": "http://prometheus:9090"})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(config{
		Prometheus: "http://prometheus:9090", Listen: ":8080", LogLevel: slog.LevelInfo,
		Watches: 1000, KubeQPS: 50, KubeBurst: 100,
	}, c))
}

func TestConfigReadsEveryVariable(t *testing.T) {
	c, err := configure(map[string]string{
		"SLIPWAY_PROMETHEUS_URL": "https://metrics.example/prometheus", "SLIPWAY_LISTEN": "127.0.0.1:9000",
		"SLIPWAY_KUBECONFIG": "/etc/kubeconfig", "SLIPWAY_LOG_LEVEL": "debug", "SLIPWAY_WATCHES": "7",
		"SLIPWAY_KUBE_QPS": "12.5", "SLIPWAY_KUBE_BURST": "25",
		"SLIPWAY_APPROVAL_KEYS": "*=" + approvalKey + ", ann+@ops=" + personKey,
		"SLIPWAY_RECEIVERS":     "/etc/slipway/receivers.yaml", "SLIPWAY_TEMPORAL_UI_URL": "https://temporal.example",
	})
	require.NoError(t, err)
	require.Equal(t, []string{"*=" + approvalKey, "ann+@ops=" + personKey}, []string{c.ApprovalKeys[0].String(), c.ApprovalKeys[1].String()})
	c.ApprovalKeys = nil
	require.Empty(t, cmp.Diff(config{
		Prometheus: "https://metrics.example/prometheus", Listen: "127.0.0.1:9000", Kubeconfig: "/etc/kubeconfig",
		LogLevel: slog.LevelDebug, Watches: 7, KubeQPS: 12.5, KubeBurst: 25, Receivers: "/etc/slipway/receivers.yaml", TemporalUI: "https://temporal.example",
	}, c))
}

func TestRecordsHaveAnOlderName(t *testing.T) {
	for variable, place := range map[string]string{"SLIPWAY_RECORDS": "s3://bucket/prefix", "SLIPWAY_RECORD_DIR": "/records"} {
		c, err := configure(map[string]string{"SLIPWAY_PROMETHEUS_URL": "http://prometheus:9090", variable: place})
		require.NoError(t, err)
		require.Equal(t, place, c.Records)
		require.Empty(t, c.RecordDir)
	}
}

func TestConfigRefusesWhatCannotWork(t *testing.T) {
	tests := map[string]struct {
		set  map[string]string
		want string
	}{
		"no Prometheus":                {nil, "SLIPWAY_PROMETHEUS_URL"},
		"two places of records":        {map[string]string{"SLIPWAY_RECORDS": "/a", "SLIPWAY_RECORD_DIR": "/b"}, "set SLIPWAY_RECORDS alone"},
		"records without a bucket":     {map[string]string{"SLIPWAY_RECORDS": "s3:///a"}, `SLIPWAY_RECORDS: "s3:///a" is not the address of a bucket`},
		"records in another store":     {map[string]string{"SLIPWAY_RECORDS": "gs://bucket"}, "write one such as s3://bucket/prefix"},
		"an empty Prometheus":          {map[string]string{"SLIPWAY_PROMETHEUS_URL": ""}, "SLIPWAY_PROMETHEUS_URL"},
		"a Prometheus that is no URL":  {map[string]string{"SLIPWAY_PROMETHEUS_URL": "prometheus"}, "write one such as http://prometheus:9090"},
		"a Prometheus without scheme":  {map[string]string{"SLIPWAY_PROMETHEUS_URL": "prometheus:9090"}, "is not a URL"},
		"another scheme":               {map[string]string{"SLIPWAY_PROMETHEUS_URL": "ftp://prometheus:9090"}, "is not a URL"},
		"no watch":                     {map[string]string{"SLIPWAY_WATCHES": "0"}, "SLIPWAY_WATCHES is 0; write a number from 1 to 10000"},
		"too many watches":             {map[string]string{"SLIPWAY_WATCHES": "10001"}, "write a number from 1 to 10000"},
		"watches in words":             {map[string]string{"SLIPWAY_WATCHES": "many"}, "Watches"},
		"an unknown log level":         {map[string]string{"SLIPWAY_LOG_LEVEL": "loud"}, "loud"},
		"no request per second":        {map[string]string{"SLIPWAY_KUBE_QPS": "0"}, "SLIPWAY_KUBE_QPS"},
		"a key that speaks for nobody": {map[string]string{"SLIPWAY_APPROVAL_KEYS": approvalKey}, "key 1 of 1: write whom it speaks for before it"},
		"a key that is cut":            {map[string]string{"SLIPWAY_APPROVAL_KEYS": "*=" + approvalKey[:40]}, "it is not 32 bytes in base64"},
		"a burst of none":              {map[string]string{"SLIPWAY_KUBE_BURST": "0"}, "SLIPWAY_KUBE_BURST"},
		"a UI that is no URL":          {map[string]string{"SLIPWAY_TEMPORAL_UI_URL": "temporal.example"}, "SLIPWAY_TEMPORAL_UI_URL"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			environment := map[string]string{"SLIPWAY_PROMETHEUS_URL": "http://prometheus:9090"}
			maps.Copy(environment, tt.set)
			if tt.set == nil {
				environment = nil
			}
			_, err := configure(environment)
			require.ErrorContains(t, err, "read environment: ")
			require.ErrorContains(t, err, tt.want)
		})
	}
}
