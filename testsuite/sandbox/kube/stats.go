// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	runtimev1 "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ContainerStats and its siblings know nothing: what containers use is asked of metrics.k8s.io, not of the
// kubelet.
func (r *runtime) ContainerStats(context.Context, string) (*runtimev1.ContainerStats, error) {
	return &runtimev1.ContainerStats{}, nil
}

// ListContainerStats is empty.
func (r *runtime) ListContainerStats(context.Context, *runtimev1.ContainerStatsFilter) ([]*runtimev1.ContainerStats, error) {
	return nil, nil
}

// PodSandboxStats is empty.
func (r *runtime) PodSandboxStats(context.Context, string) (*runtimev1.PodSandboxStats, error) {
	return &runtimev1.PodSandboxStats{}, nil
}

// ListPodSandboxStats is empty.
func (r *runtime) ListPodSandboxStats(context.Context, *runtimev1.PodSandboxStatsFilter) ([]*runtimev1.PodSandboxStats, error) {
	return nil, nil
}

// ListMetricDescriptors is empty.
func (r *runtime) ListMetricDescriptors(context.Context) ([]*runtimev1.MetricDescriptor, error) {
	return nil, nil
}

// ListPodSandboxMetrics is empty.
func (r *runtime) ListPodSandboxMetrics(context.Context) ([]*runtimev1.PodSandboxMetrics, error) {
	return nil, nil
}

// CheckpointContainer is not supported.
func (r *runtime) CheckpointContainer(context.Context, *runtimev1.CheckpointContainerRequest) error {
	return errUnsupported
}

// GetContainerEvents is not supported; the kubelet polls instead.
func (r *runtime) GetContainerEvents(context.Context, chan *runtimev1.ContainerEventResponse, func(runtimev1.RuntimeService_GetContainerEventsClient)) error {
	return errUnsupported
}
