// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
)

// metrics are the SDK's own (temporal_*) and the process's, for Prometheus to scrape.
type metrics struct {
	registry *prometheus.Registry
	handler  client.MetricsHandler
}

func newMetrics() (*metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("export metrics: %w", err)
	}
	meter := metric.NewMeterProvider(metric.WithReader(exporter)).Meter("temporal-sdk-go")
	return &metrics{
		registry: registry,
		handler:  opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{Meter: meter}),
	}, nil
}

// health serves what a kubelet and a Prometheus ask for.
type health struct {
	server *http.Server
	failed chan error
}

func serve(address string, w *wired) *health {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", w.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.metrics.registry, promhttp.HandlerOpts{}))
	h := &health{
		server: &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 5 * time.Second},
		failed: make(chan error, 1),
	}
	go func() { h.failed <- h.server.ListenAndServe() }()
	return h
}

func (h *health) close() { _ = h.server.Close() }

// ready is 200 while the queues are polled and Temporal answers.
func (w *wired) ready(out http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if !w.started.Load() {
		http.Error(out, "starting", http.StatusServiceUnavailable)
		return
	}
	if _, err := w.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		http.Error(out, "Temporal does not answer: "+err.Error(), http.StatusServiceUnavailable)
	}
}
