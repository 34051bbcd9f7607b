// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/check/web"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/directory/temporal"
	"github.com/slipwayhq/slipway/activities/metrics/prometheus"
	"github.com/slipwayhq/slipway/activities/notify"
	"github.com/slipwayhq/slipway/activities/record/s3"
	"github.com/slipwayhq/slipway/activities/registry/oci"
	"github.com/slipwayhq/slipway/activities/traffic/router"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
)

// wired is everything a worker is made of.
type wired struct {
	temporal  client.Client
	namespace string
	metrics   *metrics
	logger    *slog.Logger
	queues    []worker.Worker
	records   *s3.Records // nil unless they are kept in a bucket
	started   atomic.Bool
	fatal     chan error
}

func wire(ctx context.Context, c config, logger *slog.Logger, clock activities.Clock) (*wired, error) {
	m, err := newMetrics()
	if err != nil {
		return nil, err
	}
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{})
	if err != nil {
		return nil, fmt.Errorf("read Temporal's configuration: %w", err)
	}
	options.Logger, options.MetricsHandler = log.NewStructuredLogger(logger), m.handler
	w := &wired{metrics: m, logger: logger, fatal: make(chan error, 3)}
	if w.temporal, err = client.DialContext(ctx, options); err != nil {
		return nil, fmt.Errorf("reach Temporal at %s: %w; set TEMPORAL_ADDRESS", options.HostPort, err)
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	w.namespace = options.Namespace
	err = ensureAttributes(ctx, w.temporal, options.Namespace)
	if err == nil {
		err = w.register(c, clock)
	}
	if err != nil {
		w.temporal.Close()
		return nil, err
	}
	return w, nil
}

// register makes the queues and what they execute.
func (w *wired) register(c config, clock activities.Clock) error {
	receivers, err := notify.Open(c.Receivers, clock.Now, w.logger)
	if err != nil {
		return err
	}
	onTarget, err := clusters(c, clock)
	if err != nil {
		return err
	}
	images, err := oci.New(c.RegistryConfig, c.RegistryMirrors)
	if err != nil {
		return err
	}
	checks := &activities.Checks{Prober: web.New(), Jobs: onTarget.jobs, Clock: clock}
	watch := &activities.Analysis{Clock: clock, Onlooker: onTarget.onlooker, Pods: onTarget.patients, Prober: checks.Prober}
	if err := w.keepAndCount(c, watch); err != nil {
		return err
	}

	main := worker.New(w.temporal, workflows.TaskQueue, w.options())
	for _, w := range []any{
		workflows.Canary, workflows.BlueGreen, workflows.Rolling, workflows.Rollback, workflows.RolloutUndo,
		workflows.Lane, workflows.Environment, workflows.Intake, workflows.Messenger, workflows.Lookout,
	} {
		main.RegisterWorkflow(w)
	}
	main.RegisterActivity(onTarget.workloads)
	main.RegisterActivity(onTarget.rollouts)
	main.RegisterActivity(onTarget.traffic)
	main.RegisterActivity(watch)
	main.RegisterActivity(checks)
	main.RegisterActivity(&activities.Approvals{Keys: c.ApprovalKeys})
	found := temporal.New(w.temporal, workflows.TaskQueue)
	directory := &activities.Lanes{Directory: found, Clock: clock}
	main.RegisterActivity(directory)
	main.RegisterActivity(&activities.Arrivals{Registry: images, Gatekeeper: found})
	messages := &activities.Messages{Listener: found, Receivers: receivers, Link: w.link(c.TemporalUI), Clock: clock}

	options := w.options()
	options.DisableWorkflowWorker = true
	options.MaxConcurrentActivityExecutionSize = c.Watches
	watches := worker.New(w.temporal, workflows.WatchTaskQueue, options)
	watches.RegisterActivity(onTarget.workloads)
	watches.RegisterActivity(onTarget.rollouts)
	watches.RegisterActivity(watch)
	watches.RegisterActivity(checks)
	watches.RegisterActivity(directory)
	watches.RegisterActivity(messages)
	watches.RegisterActivity(onTarget.lookout)

	options = w.options()
	options.DisableWorkflowWorker = true
	told := worker.New(w.temporal, workflows.NotifyTaskQueue, options)
	told.RegisterActivity(messages)
	w.queues = []worker.Worker{main, watches, told}
	return nil
}

// keepAndCount gives a watch what it counts by, and what keeps its record.
func (w *wired) keepAndCount(c config, watch *activities.Analysis) error {
	server, err := api.NewClient(api.Config{Address: c.Prometheus})
	if err != nil {
		return fmt.Errorf("reach Prometheus: %w", err)
	}
	watch.Source = prometheus.New(v1.NewAPI(server), c.Prometheus, watch.Clock.Now)
	watch.Recorder, err = w.keep(c.Records, watch.Clock)
	return err
}

// link to a run in Temporal's UI; nil where nobody knows its address.
func (w *wired) link(ui string) func(workflow, run string) string {
	if ui == "" {
		return nil
	}
	return func(workflow, run string) string {
		return strings.TrimSuffix(ui, "/") + "/namespaces/" + url.PathEscape(w.namespace) + "/workflows/" + url.PathEscape(workflow) + "/" + run + "/history"
	}
}

// options are short where a dead worker would cost people seconds.
func (w *wired) options() worker.Options {
	return worker.Options{
		StickyScheduleToStartTimeout: 500 * time.Millisecond,
		WorkerStopTimeout:            5 * time.Second,
		OnFatalError:                 func(err error) { w.fatal <- err },
		Interceptors:                 []interceptor.WorkerInterceptor{&signs{}},
	}
}

// targets are the activities that change a cluster.
type targets struct {
	workloads *activities.Cluster
	rollouts  *activities.Rollout
	traffic   *activities.Traffic
	lookout   *activities.Lookout
	onlooker  activities.Onlooker
	patients  activities.Patients
	jobs      activities.Jobs
}

func clusters(c config, clock activities.Clock) (targets, error) {
	config, err := kubeconfig(c)
	if err != nil {
		return targets{}, err
	}
	kube, objects, err := reach(config)
	if err != nil {
		return targets{}, err
	}
	// Each client has a rate of its own, so that what many watches look at cannot delay a write.
	seen, routes, err := reach(config)
	if err != nil {
		return targets{}, err
	}
	onlooker := activities.Onlooker{Keeper: cluster.New(seen), Routers: router.All(seen, routes)}
	client := cluster.New(kube)
	return targets{
		workloads: &activities.Cluster{Workloads: client, Clock: clock, Onlooker: onlooker},
		rollouts:  &activities.Rollout{Rollouts: client, Clock: clock},
		patients:  &cluster.Patients{Client: cluster.New(seen), Now: clock.Now},
		lookout:   &activities.Lookout{Viewer: &cluster.Viewer{Client: client, Now: clock.Now}, Clock: clock},
		traffic:   &activities.Traffic{Routers: router.All(kube, objects), Clock: clock, Keeper: client, Targets: client, Pods: client},
		jobs:      client,
		onlooker:  onlooker,
	}, nil
}

func reach(config *rest.Config) (kubernetes.Interface, dynamic.Interface, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("reach Kubernetes: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("reach Kubernetes: %w", err)
	}
	return kube, objects, nil
}

func kubeconfig(c config) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.Kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find a cluster: %w; set SLIPWAY_KUBECONFIG, or run in a pod with a service account", err)
	}
	config.QPS, config.Burst, config.UserAgent = c.KubeQPS, c.KubeBurst, program
	config.Wrap(named)
	config.Wrap(heard)
	config.Timeout = decide.Request // an undo counts on it
	if _, err := os.Stat(c.Kubeconfig); c.Kubeconfig != "" && err != nil {
		return nil, fmt.Errorf("find a cluster: %w", err)
	}
	return config, nil
}
