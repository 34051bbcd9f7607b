// SPDX-License-Identifier: Apache-2.0

// Package prometheus counts requests by counters that a Prometheus server has scraped: those of a gateway, or of
// the service's own pods.
//
// It asks for the stored samples of the counters, not for rates, and computes their growth from tick to tick
// itself. A counter is read at a tick's end between the two scrapes around it, so pods that were scraped at
// different moments are counted up to the same one, and every request counts once. A counter that was reset
// counts from zero, and so does a series that appears when its target had been scraped before: rate() would lose the first
// failures of every new pod. A tick is complete when every target that lives was scraped after its end. Pods that
// are younger than the warm-up are left out, of stable too.
//
// Limits: requests between the last scrape before a target's death and the death itself are lost to Prometheus
// and so to the verdict. Native histograms are read as the classic ones that their last sample is.
package prometheus
