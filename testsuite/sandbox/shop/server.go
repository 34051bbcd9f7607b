// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// shop answers every path with its version.
type shop struct {
	config   config
	faults   *injector
	draining atomic.Bool
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newShop(c config, now func() time.Time) *shop {
	s := &shop{
		config: c, faults: &injector{now: now, own: c.Faults}, registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests answered."}, []string{"version", "code"}),
		seconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_request_duration_seconds", Help: "Time to answer."}, []string{"version"}),
	}
	s.registry.MustRegister(s.requests, s.seconds)
	return s
}

func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.answer)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.config.NeverReady || s.draining.Load() {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(s.faults.present()) // a caller that is gone needs no answer
	})
	mux.HandleFunc("PUT /faults", func(w http.ResponseWriter, r *http.Request) {
		var f faults
		err := json.NewDecoder(r.Body).Decode(&f)
		if err == nil {
			err = f.check()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.faults.set(f)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	return mux
}

func (s *shop) answer(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	fate := s.faults.next()
	pause(r.Context(), fate.latency)
	burn(fate.cpu)
	code := http.StatusOK
	if fate.fails {
		code = http.StatusInternalServerError
	}
	w.Header().Set("X-Version", s.config.Version)
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, "shop", s.config.Version) // a caller that is gone needs no answer
	s.requests.WithLabelValues(s.config.Version, strconv.Itoa(code)).Inc()
	s.seconds.WithLabelValues(s.config.Version).Observe(time.Since(began).Seconds())
}

// followFile looks at the shared faults every 200 ms.
func (s *shop) followFile(ctx context.Context, file string) {
	for pause(ctx, 200*time.Millisecond) {
		s.faults.setOverride(readFaults(file))
	}
}

// readFaults returns nil where there is no file, or not a whole one.
func readFaults(file string) *faults {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var f faults
	if json.Unmarshal(text, &f) != nil || f.check() != nil {
		return nil
	}
	return &f
}
