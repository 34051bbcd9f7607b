// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// prometheusConfig scrapes the gateway, and every pod with a container port named "http", each second.
const prometheusConfig = `global: {scrape_interval: 1s, evaluation_interval: 1s}
scrape_configs:
- job_name: gateway
  static_configs: [{targets: ["127.0.0.1:8081"]}]
- job_name: pods
  kubernetes_sd_configs: [{role: pod, kubeconfig_file: %q}]
  relabel_configs:
  - {source_labels: [__meta_kubernetes_pod_container_port_name], action: keep, regex: http}
  - {source_labels: [__meta_kubernetes_pod_phase], action: keep, regex: Running}
  - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
  - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
  - {action: labelmap, regex: __meta_kubernetes_pod_label_(.+)}
`

func writePrometheusConfig(dir string) error {
	text := fmt.Sprintf(prometheusConfig, filepath.Join(dir, "kube", "inner.kubeconfig"))
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("configure Prometheus: %w", err)
	}
	return nil
}
