// SPDX-License-Identifier: Apache-2.0

package rescue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/router"
	"github.com/slipwayhq/slipway/activities/traffic/service"
)

// settleWithin is how long the gateway and the root Service may take to follow a write.
const settleWithin = 30 * time.Second

// Rescuer restores safe states in one cluster.
type Rescuer struct {
	workloads *cluster.Client
	objects   dynamic.Interface
	routers   activities.Routers
	endpoints *service.Client
	clock     activities.Clock
	// ready bounds the wait for stable's pods, settle each wait for the routers.
	ready, settle time.Duration
}

// New acts through clients. Ready is how long stable's pods may take.
func New(kube kubernetes.Interface, objects dynamic.Interface, clock activities.Clock, ready time.Duration) *Rescuer {
	return &Rescuer{
		workloads: cluster.New(kube), objects: objects, routers: router.All(kube, objects), endpoints: service.New(kube),
		clock: clock, ready: ready, settle: settleWithin,
	}
}

// Access is how a person reaches a cluster, as with kubectl.
type Access struct {
	// Kubeconfig is a file; empty: KUBECONFIG, else ~/.kube/config. Context is one of it; empty: its current one.
	Kubeconfig, Context string
}

// Config is the client configuration, and the namespace that the context names.
func (a Access) Config() (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = a.Kubeconfig
	loaded := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: a.Context})
	config, err := loaded.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("find a cluster: %w; give --kubeconfig and --context as to kubectl", err)
	}
	namespace, _, err := loaded.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("find a namespace: %w; give -n", err)
	}
	config.QPS, config.Burst, config.UserAgent = 50, 100, "slipway-rescue"
	return config, namespace, nil
}

// Dial makes a Rescuer of a configuration. It asks the cluster for nothing yet.
func Dial(config *rest.Config, clock activities.Clock, ready time.Duration) (*Rescuer, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach Kubernetes: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach Kubernetes: %w", err)
	}
	return New(kube, objects, clock, ready), nil
}

// Recall finds the record of a Deployment: in its ConfigMap, else on its root Service, else on a route. None
// is a fault of kind NotFound.
func (r *Rescuer) Recall(ctx context.Context, namespace, deployment string) (cluster.Recalled, error) {
	found, err := r.workloads.Recall(ctx, namespace, deployment)
	if err == nil {
		return found, nil
	}
	last, err2 := router.Recall(ctx, r.objects, namespace, deployment)
	switch {
	case err2 == nil:
		last.Doubt = err.Error()
		return last, nil
	case fault.Of(err2) == fault.NotFound:
		return found, err
	}
	return found, errors.Join(err, err2)
}

// Look finds out how far the cluster is from a safe state. It changes nothing.
func (r *Rescuer) Look(ctx context.Context, s activities.SafeState) (Found, error) {
	var f Found
	var err1, err2, err3, err4 error
	f.Stable, err1 = r.workloads.LookAtTrack(ctx, s, s.Tracks.Stable)
	f.Candidate, err2 = r.workloads.LookAtTrack(ctx, s, s.Tracks.Candidate)
	f.Selector, err3 = r.workloads.LookAtSelector(ctx, s)
	if front, err := r.front(s); err == nil && front != nil {
		f.Route, err4 = front.Look(ctx, s.Route)
	}
	return f, errors.Join(err1, err2, err3, err4)
}

// front is the router before the root Service; nil where there is none.
func (r *Rescuer) front(s activities.SafeState) (router.Restorer, error) {
	named, err := r.routers.Of(s.Route.Traffic)
	if err != nil {
		return nil, err
	}
	front, _ := named.(router.Restorer)
	return front, nil
}

// await looks until there is no reason to wait any more, or the time is up; then the error has the last reason.
func (r *Rescuer) await(ctx context.Context, within time.Duration, look func(context.Context) (string, error)) error {
	deadline := r.clock.Now().Add(within)
	for {
		reason, err := look(ctx)
		if err == nil && reason == "" {
			return nil
		}
		if err != nil && fault.Final(err) {
			return err
		}
		if !r.clock.Now().Before(deadline) {
			return errors.Join(err, words(reason, within))
		}
		if err := r.pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}

// lookAgain is the pause between two looks.
const lookAgain = 200 * time.Millisecond

func (r *Rescuer) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("stopped: %w", ctx.Err())
	case <-r.clock.After(d):
		return nil
	}
}

// words is a reason to wait as an error; nil where there is none.
func words(reason string, within time.Duration) error {
	if reason == "" {
		return nil
	}
	return fmt.Errorf("%s, after %s", reason, within)
}
