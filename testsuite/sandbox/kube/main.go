// SPDX-License-Identifier: Apache-2.0

// Command kube is a real Kubernetes on one machine in one process: etcd, API server, controller
// manager, scheduler and kubelet, with pods as local processes.
//
// The kubelet is the real one, so probes, restarts, back-offs, lifecycle hooks, graceful termination,
// events and status are what they are elsewhere. Below it stands a container runtime of our own
// (runtime.go) that starts every container as a process in its pod's network namespace and in a mount
// namespace with its volumes at their real paths.
//
// It must be started in network, mount and pid namespaces of its own (the sandbox's driver does that),
// as root or as root of a user namespace. It prints "ready" on its standard output when the node is
// ready and the Gateway API stands. It keeps its state in --dir and may be killed at any time: its pods
// die with it and are started again with it.
//
// What a container uses is read from its processes (usage.go), without cgroups: metrics.k8s.io tells it
// (metrics.go), so that a HorizontalPodAutoscaler works, and a container over its memory limit is ended
// as OOMKilled.
//
// Limits: Linux only. An image is an entry point with an environment, not a file system. A memory limit is
// looked at four times a second, so a container may be over it for a moment; a CPU limit is not enforced.
// A node's use is the sum of its pods'. No cluster DNS, no NetworkPolicy, no outbound network. One node.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// Addresses inside the sandbox.
const (
	nodeName    = "sandbox"
	nodeAddress = "10.244.0.1"
	podCIDR     = "10.244.0.0/16"
	serviceCIDR = "10.96.0.0/16"
	apiAddress  = "https://127.0.0.1:6443"
)

// bootTime bounds the wait for each part.
const bootTime = 2 * time.Minute

// options of the cluster.
type options struct {
	dir, images, crds    string
	external, kubeconfig string
	rootless             bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == shimArg {
		shimMain(os.Args[2:])
		return
	}
	o := options{rootless: os.Getenv("SANDBOX_ROOTLESS") != ""}
	flag.StringVar(&o.dir, "dir", "kube", "directory for all state")
	flag.StringVar(&o.images, "images", "images", "directory of images")
	flag.StringVar(&o.crds, "crds", "crds", "directory of CustomResourceDefinitions to apply")
	flag.StringVar(&o.external, "external", apiAddress, "URL of the API server for those outside the sandbox")
	flag.StringVar(&o.kubeconfig, "kubeconfig", "kubeconfig", "file to write for those outside the sandbox")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "kube:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	var err error
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return fmt.Errorf("find directory: %w", err)
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	klog.LogToStderr(true)
	// The one that is there may show another pid namespace; usage.go and the pods need this one's.
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := setupNetwork(); err != nil {
		return fmt.Errorf("set up network: %w", err)
	}
	keys, err := loadPKI(filepath.Join(o.dir, "pki"))
	if err != nil {
		return err
	}
	if err := keys.writeKubeconfigs(o); err != nil {
		return err
	}
	stopEtcd, err := startEtcd(filepath.Join(o.dir, "etcd"))
	if err != nil {
		return err
	}
	defer stopEtcd()
	failed := make(chan error, 8)
	metrics := &metricsAPI{}
	config, err := startControlPlane(ctx, o, failed, metrics)
	if err != nil {
		return err
	}
	runtime, err := startNode(ctx, o, config)
	if err != nil {
		return err
	}
	defer runtime.stopAll()
	if err := metrics.begin(runtime, config); err != nil {
		return err
	}
	if err := bootstrap(ctx, o.crds, config); err != nil {
		return err
	}
	fmt.Println("ready")
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// await looks every 50 ms until ok, at most for bootTime.
func await(ctx context.Context, what string, ok func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := ok(ctx)
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (last: %w)", what, ctx.Err(), orNone(err))
		case <-tick.C:
		}
	}
}

func orNone(err error) error {
	if err == nil {
		return fmt.Errorf("no error")
	}
	return err
}
