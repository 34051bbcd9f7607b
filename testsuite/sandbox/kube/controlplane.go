// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	cliflag "k8s.io/component-base/cli/flag"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apioptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	manageroptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// controllers that a delivery system meets; the others would only cost time.
const controllers = "deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,job-controller,cronjob-controller," +
	"endpointslice-controller,namespace-controller,garbage-collector-controller,serviceaccount-controller,root-ca-certificate-publisher-controller," +
	"pod-garbage-collector-controller,node-lifecycle-controller,taint-eviction-controller,disruption-controller,ttl-after-finished-controller," +
	"horizontal-pod-autoscaler-controller,resourcequota-controller,clusterrole-aggregation-controller"

// parts are the option sets of the three servers. Their flags are parsed together, before anything is
// started: the registry of component globals may be set only once in a process.
type parts struct {
	api       *apioptions.ServerRunOptions
	manager   *manageroptions.KubeControllerManagerOptions
	scheduler *scheduleroptions.Options
}

// startControlPlane returns a client configuration once the API server is ready.
func startControlPlane(ctx context.Context, o options, failed chan<- error, metrics *metricsAPI) (*rest.Config, error) {
	p, err := configure(o)
	if err != nil {
		return nil, err
	}
	completed, err := p.api.Complete(ctx)
	if err != nil {
		return nil, fmt.Errorf("complete API server options: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return nil, fmt.Errorf("validate API server options: %w", utilerrors.NewAggregate(errs))
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	go report(ctx, failed, "API server", func() error { return runAPIServer(ctx, completed, metrics) })
	config, err := clientcmd.BuildConfigFromFlags("", o.innerKubeconfig())
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 300, 600
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	err = await(ctx, "the API server", func(ctx context.Context) (bool, error) {
		err := client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	go report(ctx, failed, "controller manager", func() error { return runManager(ctx, p.manager) })
	go report(ctx, failed, "scheduler", func() error { return runScheduler(ctx, p.scheduler) })
	return config, nil
}

// report sends the end of a server that was not asked to end.
func report(ctx context.Context, failed chan<- error, name string, run func() error) {
	if err := run(); ctx.Err() == nil {
		failed <- fmt.Errorf("%s ended: %w", name, orNone(err))
	}
}

// runAPIServer is what the API server's own Run does, with one more API in it.
func runAPIServer(ctx context.Context, o apioptions.CompletedOptions, metrics *metricsAPI) error {
	name, err := cache.NewInformerName("kube-apiserver")
	if err != nil {
		return err
	}
	o.InformerName = name
	config, err := apiserver.NewConfig(o)
	if err != nil {
		return err
	}
	metrics.install(&config.Aggregator.GenericConfig.Config)
	completed, err := config.Complete()
	if err != nil {
		return err
	}
	chain, err := apiserver.CreateServerChain(completed)
	if err != nil {
		return err
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return err
	}
	return prepared.Run(ctx)
}

func runManager(ctx context.Context, o *manageroptions.KubeControllerManagerOptions) error {
	c, err := o.Config(ctx, manager.KnownControllers(), manager.ControllersDisabledByDefault(), manager.ControllerAliases())
	if err != nil {
		return err
	}
	return manager.Run(ctx, c.Complete())
}

func runScheduler(ctx context.Context, o *scheduleroptions.Options) error {
	c, s, err := scheduler.Setup(ctx, o)
	if err != nil {
		return err
	}
	return scheduler.Run(ctx, c, s)
}

func configure(o options) (parts, error) {
	p := parts{api: apioptions.NewServerRunOptions(), scheduler: scheduleroptions.NewOptions()}
	var err error
	if p.manager, err = manageroptions.NewKubeControllerManagerOptions(); err != nil {
		return p, fmt.Errorf("make controller manager options: %w", err)
	}
	managerFlags := p.manager.Flags(manager.KnownControllers(), manager.ControllersDisabledByDefault(), manager.ControllerAliases())
	p.manager.ParsedFlags = &managerFlags
	for _, set := range []struct {
		flags cliflag.NamedFlagSets
		args  []string
	}{
		{p.api.Flags(), apiArgs(o)},
		{managerFlags, managerArgs(o)},
		{*p.scheduler.Flags, append(clientArgs(o), "--kube-api-qps=300", "--kube-api-burst=600")},
	} {
		if err := parse(set.flags, set.args); err != nil {
			return p, err
		}
	}
	return p, p.api.GenericServerRunOptions.ComponentGlobalsRegistry.Set()
}

func parse(named cliflag.NamedFlagSets, args []string) error {
	all := pflag.NewFlagSet("kube", pflag.ContinueOnError)
	for _, set := range named.FlagSets {
		all.AddFlagSet(set)
	}
	if err := all.Parse(args); err != nil {
		return fmt.Errorf("parse flags: %w", err)
	}
	return nil
}

func apiArgs(o options) []string {
	p := o.pki()
	args := []string{
		"--etcd-servers=" + etcdAddress,
		"--bind-address=0.0.0.0", "--secure-port=6443", "--advertise-address=" + nodeAddress,
		"--service-cluster-ip-range=" + serviceCIDR,
		"--client-ca-file=" + p.cert("ca"), "--tls-cert-file=" + p.cert("server"), "--tls-private-key-file=" + p.key("server"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.key("serviceaccount"), "--service-account-signing-key-file=" + p.key("serviceaccount"),
		"--authorization-mode=Node,RBAC", "--allow-privileged=true", "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate=" + p.cert("admin"), "--kubelet-client-key=" + p.key("admin"),
		"--profiling=false", "--enable-priority-and-fairness=false", "--event-ttl=1h", "--shutdown-delay-duration=0s",
	}
	if o.rootless {
		args = append(args, "--feature-gates=KubeletInUserNamespace=true")
	}
	return args
}

func managerArgs(o options) []string {
	p := o.pki()
	return append(clientArgs(o),
		"--controllers="+controllers, "--service-account-private-key-file="+p.key("serviceaccount"), "--root-ca-file="+p.cert("ca"),
		"--cluster-signing-cert-file="+p.cert("ca"), "--cluster-signing-key-file="+p.key("ca"),
		"--kube-api-qps=300", "--kube-api-burst=600",
		// 15 s and 5 min elsewhere: an autoscaler that is waited for should not take longer than its metrics do.
		"--horizontal-pod-autoscaler-sync-period=1s", "--horizontal-pod-autoscaler-downscale-stabilization=10s",
	)
}

func clientArgs(o options) []string {
	return []string{"--kubeconfig=" + o.innerKubeconfig(), "--leader-elect=false", "--secure-port=0", "--profiling=false"}
}
