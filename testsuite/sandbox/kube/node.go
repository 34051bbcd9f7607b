// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	cadvisor "github.com/google/cadvisor/lib/model"
	"go.opentelemetry.io/otel/trace/noop"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	kubeletapp "k8s.io/kubernetes/cmd/kubelet/app"
	kubeletoptions "k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	cadvisortest "k8s.io/kubernetes/pkg/kubelet/cadvisor/testing"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/server"
	"k8s.io/kubernetes/pkg/kubelet/util"
	"k8s.io/kubernetes/pkg/util/oom"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/downwardapi"
	"k8s.io/kubernetes/pkg/volume/emptydir"
	"k8s.io/kubernetes/pkg/volume/hostpath"
	"k8s.io/kubernetes/pkg/volume/projected"
	"k8s.io/kubernetes/pkg/volume/secret"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/subpath"
	"k8s.io/mount-utils"
)

// machine answers for the hardware: a kubelet wants a cAdvisor, and cAdvisor wants cgroups.
type machine struct{ cadvisortest.Fake }

// MachineInfo is large enough for every pod of a sandbox; nothing enforces it.
func (*machine) MachineInfo(klog.Logger) (*cadvisor.MachineInfo, error) {
	return &cadvisor.MachineInfo{NumCores: 64, MemoryCapacity: 256 << 30, MachineID: nodeName, SystemUUID: nodeName, BootID: nodeName}, nil
}

// startNode runs the real kubelet over our runtime, and the Service proxy, and returns once the node is
// ready.
func startNode(ctx context.Context, o options, config *rest.Config) (*runtime, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	run, err := newRuntime(o)
	if err != nil {
		return nil, err
	}
	go run.watch(ctx)
	configuration, err := kubeletConfiguration(o)
	if err != nil {
		return nil, err
	}
	flags := kubeletoptions.NewKubeletFlags()
	flags.RootDirectory = filepath.Join(o.dir, "kubelet")
	flags.HostnameOverride, flags.NodeIP = nodeName, nodeAddress
	flags.MinimumGCAge = metav1.Duration{Duration: time.Minute}
	flags.MaxContainerCount, flags.MaxPerPodContainerCount = 1000, 2
	if err := errors.Join(os.MkdirAll(flags.RootDirectory, 0o755), os.MkdirAll(configuration.PodLogsDir, 0o755)); err != nil {
		return nil, fmt.Errorf("make node directories: %w", err)
	}
	err = kubeletapp.RunKubelet(ctx, &kubeletoptions.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *configuration}, dependencies(o, run, client))
	if err != nil {
		return nil, fmt.Errorf("run kubelet: %w", err)
	}
	go serveServices(ctx, client)
	return run, await(ctx, "the node", func(ctx context.Context) (bool, error) {
		node, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue && len(node.Spec.Taints) == 0 {
				return true, nil
			}
		}
		return false, errors.New("the node is not ready")
	})
}

func kubeletConfiguration(o options) (*kubeletconfig.KubeletConfiguration, error) {
	c, err := kubeletoptions.NewKubeletConfiguration()
	if err != nil {
		return nil, fmt.Errorf("make kubelet configuration: %w", err)
	}
	c.EnableServer, c.Address, c.Port, c.ReadOnlyPort = true, "0.0.0.0", 10250, 0
	c.SyncFrequency.Duration, c.NodeStatusUpdateFrequency.Duration = 10*time.Second, 10*time.Second
	c.NodeStatusReportFrequency.Duration = 5 * time.Minute
	c.MaxPods, c.PodsPerCore = 250, 0
	c.EnableControllerAttachDetach, c.CgroupsPerQOS, c.LocalStorageCapacityIsolation = false, false, false
	c.EnforceNodeAllocatable, c.EvictionHard = nil, map[string]string{}
	c.ImageGCHighThresholdPercent, c.ImageGCLowThresholdPercent = 100, 99
	c.MakeIPTablesUtilChains, c.SerializeImagePulls, c.RegisterNode = false, false, true
	c.PodLogsDir = filepath.Join(o.dir, "pod-logs")
	c.VolumeStatsAggPeriod.Duration = -1
	c.CrashLoopBackOff.MaxContainerRestartPeriod = &metav1.Duration{Duration: time.Minute}
	return c, nil
}

// dependencies are real but for cgroups, mounts and hardware.
func dependencies(o options, run *runtime, client *kubernetes.Clientset) *kubelet.Dependencies {
	var plugins []volume.VolumePlugin
	for _, some := range [][]volume.VolumePlugin{
		emptydir.ProbeVolumePlugins(), hostpath.ProbeVolumePlugins(volume.VolumeConfig{}), secret.ProbeVolumePlugins(),
		configmap.ProbeVolumePlugins(), downwardapi.ProbeVolumePlugins(), projected.ProbeVolumePlugins(),
	} {
		plugins = append(plugins, some...)
	}
	return &kubelet.Dependencies{
		KubeClient: client, HeartbeatClient: client, EventClient: client.CoreV1(),
		RemoteRuntimeService: run, RemoteImageService: run.images,
		CAdvisorInterface: &machine{}, OSInterface: container.RealOS{}, ContainerManager: cm.NewStubContainerManager(),
		VolumePlugins: plugins, TLSOptions: &server.TLSOptions{CertFile: o.pki().cert("server"), KeyFile: o.pki().key("server")},
		OOMAdjuster: oom.NewFakeOOMAdjuster(), Mounter: mount.NewFakeMounter(nil), Subpather: &subpath.FakeSubpath{}, HostUtil: hostutil.NewHostUtil(),
		PodStartupLatencyTracker: util.NewPodStartupLatencyTracker(), NodeStartupLatencyTracker: util.NewNodeStartupLatencyTracker(klog.TODO()),
		TracerProvider: noop.NewTracerProvider(),
	}
}
