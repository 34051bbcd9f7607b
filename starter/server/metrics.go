// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/slipwayhq/slipway/starter/server/shelf"
)

// metrics are what a Prometheus scrapes.
type metrics struct {
	registry   *prometheus.Registry
	deliveries *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	missed     *prometheus.CounterVec
}

func newMetrics(plans *shelf.Shelf) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_deliveries_total", Help: "Deliveries by sender and the status of the answer.",
		}, []string{"sender", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_delivery_seconds", Help: "Time from a delivery's headers to its answer.", Buckets: []float64{.005, .01, .025, .05, .1, .2, .3, .4, .5, 1},
		}, []string{"sender"}),
		missed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_missed_deliveries_total", Help: "Missed deliveries that were fetched, by what became of them: taken, refused or failed.",
		}, []string{"result"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.deliveries, m.seconds, m.missed, &planMetrics{plans: plans})
	return m
}

func (m *metrics) delivery(sender string, status int, took time.Duration) {
	m.deliveries.WithLabelValues(sender, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(sender).Observe(took.Seconds())
}

// planMetrics tell of the plan files as they are when they are asked.
type planMetrics struct{ plans *shelf.Shelf }

var _ prometheus.Collector = (*planMetrics)(nil)

func (*planMetrics) total() *prometheus.Desc {
	return prometheus.NewDesc("slipway_plans", "Plan files that are in order.", nil, nil)
}

func (*planMetrics) broken() *prometheus.Desc {
	return prometheus.NewDesc("slipway_plan_broken", "1 for a plan file that is broken.", []string{"file"}, nil)
}

// Describe implements prometheus.Collector.
func (p *planMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- p.total()
	to <- p.broken()
}

// Collect implements prometheus.Collector.
func (p *planMetrics) Collect(to chan<- prometheus.Metric) {
	good := 0
	for _, e := range p.plans.Entries() {
		if e.Error == "" {
			good++
			continue
		}
		to <- prometheus.MustNewConstMetric(p.broken(), prometheus.GaugeValue, 1, e.File)
	}
	to <- prometheus.MustNewConstMetric(p.total(), prometheus.GaugeValue, float64(good))
}
