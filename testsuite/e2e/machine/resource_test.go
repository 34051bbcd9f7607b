// SPDX-License-Identifier: Apache-2.0

package machine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

func TestAContainerOverItsMemoryLimitIsOOMKilledAndRestartedWithBackOff(t *testing.T) {
	limited := func(namespace string, env map[string]string) {
		openShop(t, stage.ShopOptions{
			Namespace: namespace, Env: env, Replicas: 1, Unmeasured: true, Resources: memoryLimit(),
		})
	}
	limited("steady", nil)
	limited("growing", map[string]string{"LEAK_PER_SECOND": fmt.Sprint(32 << 20)})
	var growing corev1.ContainerStatus
	eventually(t, func(ctx context.Context) error {
		var err error
		if growing, err = onlyContainer(ctx, "growing"); err != nil {
			return err
		}
		if w := growing.State.Waiting; w == nil || w.Reason != "CrashLoopBackOff" {
			return fmt.Errorf("the container is not in back-off: %+v", growing)
		}
		return nil
	})
	ended := growing.LastTerminationState.Terminated
	require.NotNil(t, ended, "%+v", growing)
	require.Equal(t, "OOMKilled", ended.Reason)
	require.EqualValues(t, 137, ended.ExitCode)
	require.Positive(t, growing.RestartCount)

	steady, err := onlyContainer(t.Context(), "steady")
	require.NoError(t, err)
	require.NotNil(t, steady.State.Running, "%+v", steady)
	require.Zero(t, steady.RestartCount, "one that keeps its limit runs on")
}

func TestWhatAContainerHasStartedCountsForItAndEndsWithIt(t *testing.T) {
	const namespace = "family"
	image, err := shared.PutImage("v1", nil)
	require.NoError(t, err)
	makeNamespace(t, shared, namespace)
	t.Cleanup(func() { removeNamespace(t, namespace) })
	mark := fmt.Sprintf("count=%d", time.Now().UnixNano())
	_, err = shared.Kube.CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "parent"},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{
			Name: "parent", Image: image, Resources: memoryLimit(),
			Command: []string{"sh", "-c", "setsid dd if=/dev/zero of=/dev/null bs=128M " + mark + " & wait"},
		}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	eventually(t, func(ctx context.Context) error {
		c, err := onlyContainer(ctx, namespace)
		if err == nil && (c.State.Terminated == nil || c.State.Terminated.Reason != "OOMKilled") {
			err = fmt.Errorf("the container was not ended for its memory: %+v", c)
		}
		return err
	})
	eventually(t, func(context.Context) error {
		for _, p := range processes(t) {
			if strings.Contains(p.command, mark) {
				return fmt.Errorf("process %d still runs: %s", p.pid, p.command)
			}
		}
		return nil
	})
}

func memoryLimit() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}}
}

// openShop opens a shop that stop, or the end of the test, takes the load from. Then it is removed.
func openShop(t *testing.T, o stage.ShopOptions) (shop *stage.Shop, stop func()) {
	t.Helper()
	shop, err := shared.OpenShop(t.Context(), o)
	require.NoError(t, err)
	stop = sync.OnceFunc(shop.Close)
	t.Cleanup(func() {
		stop()
		removeNamespace(t, o.Namespace)
	})
	return shop, stop
}

func removeNamespace(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, shared.Kube.CoreV1().Namespaces().Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{}))
}

// onlyContainer is the state of the one container of a namespace's one pod.
func onlyContainer(ctx context.Context, namespace string) (corev1.ContainerStatus, error) {
	pods, err := shared.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return corev1.ContainerStatus{}, err
	}
	if len(pods.Items) != 1 || len(pods.Items[0].Status.ContainerStatuses) != 1 {
		return corev1.ContainerStatus{}, fmt.Errorf("no container yet: %d pods", len(pods.Items))
	}
	return pods.Items[0].Status.ContainerStatuses[0], nil
}

// used is what the tests read of PodMetrics and NodeMetrics.
type used struct {
	Metadata   metav1.ObjectMeta
	Window     metav1.Duration
	Usage      corev1.ResourceList
	Containers []struct {
		Name  string
		Usage corev1.ResourceList
	}
}

const metricsRoot = "/apis/metrics.k8s.io/v1beta1/"

// metrics reads one or, where there are items, several.
func metrics(ctx context.Context, path, selector string) ([]used, error) {
	request := shared.Kube.Discovery().RESTClient().Get().AbsPath(metricsRoot + path)
	if selector != "" {
		request.Param("labelSelector", selector)
	}
	text, err := request.Do(ctx).Raw()
	if err != nil {
		return nil, err
	}
	var several struct{ Items *[]used }
	if err := json.Unmarshal(text, &several); err != nil {
		return nil, err
	}
	if several.Items != nil {
		return *several.Items, nil
	}
	var one used
	return []used{one}, json.Unmarshal(text, &one)
}

func TestMetricsTellWhatPodsAndNodesUse(t *testing.T) {
	openShop(t, stage.ShopOptions{Namespace: "measured", Rate: 20})
	var pods []used
	eventually(t, func(ctx context.Context) error {
		var err error
		pods, err = metrics(ctx, "namespaces/measured/pods", "app=measured")
		if err == nil && len(pods) != 2 {
			err = fmt.Errorf("%d pods are measured", len(pods))
		}
		return err
	})
	for _, pod := range pods {
		require.Equal(t, "measured", pod.Metadata.Labels["app"])
		require.Len(t, pod.Containers, 1)
		require.Equal(t, "shop", pod.Containers[0].Name)
		require.Positive(t, pod.Containers[0].Usage.Memory().Value())
		require.Less(t, pod.Containers[0].Usage.Memory().Value(), int64(64<<20), "the shop's own, not what started it")
		require.Contains(t, pod.Containers[0].Usage, corev1.ResourceCPU)
		require.GreaterOrEqual(t, pod.Window.Duration, time.Second)
	}
	one, err := metrics(t.Context(), "namespaces/measured/pods/"+pods[0].Metadata.Name, "")
	require.NoError(t, err)
	require.Equal(t, pods[0].Metadata.Name, one[0].Metadata.Name)
	others, err := metrics(t.Context(), "pods", "app=measured,app!=measured")
	require.NoError(t, err)
	require.Empty(t, others)

	nodes, err := metrics(t.Context(), "nodes", "")
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	node, err := metrics(t.Context(), "nodes/"+nodes[0].Metadata.Name, "")
	require.NoError(t, err)
	require.Positive(t, node[0].Usage.Memory().Value())
}

func TestMetricsAreRefusedAsEveryOtherResourceIs(t *testing.T) {
	_, err := metrics(t.Context(), "namespaces/default/pods/none", "")
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	_, err = metrics(t.Context(), "pods", "!!")
	require.True(t, apierrors.IsBadRequest(err), "%v", err)
	rest := shared.Kube.Discovery().RESTClient()
	err = rest.Delete().AbsPath(metricsRoot + "nodes/sandbox").Do(t.Context()).Error()
	require.True(t, apierrors.IsMethodNotSupported(err), "%v", err)
	err = rest.Get().AbsPath(metricsRoot+"pods").SetHeader("Impersonate-User", "stranger").Do(t.Context()).Error()
	require.True(t, apierrors.IsForbidden(err), "%v", err)
}

func TestMetricsAreFoundByDiscovery(t *testing.T) {
	resources, err := shared.Kube.Discovery().ServerResourcesForGroupVersion("metrics.k8s.io/v1beta1")
	require.NoError(t, err)
	_, everything, err := shared.Kube.Discovery().ServerGroupsAndResources()
	require.NoError(t, err)
	require.Contains(t, kinds(everything...), "metrics.k8s.io/v1beta1 PodMetrics")
	require.Equal(t, []string{"metrics.k8s.io/v1beta1 NodeMetrics", "metrics.k8s.io/v1beta1 PodMetrics"}, kinds(resources))
	service, err := shared.Kube.Discovery().RESTClient().Get().AbsPath("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io").Do(t.Context()).Raw()
	require.NoError(t, err)
	var state struct {
		Status struct{ Conditions []metav1.Condition }
	}
	require.NoError(t, json.Unmarshal(service, &state))
	require.Len(t, state.Status.Conditions, 1)
	require.Equal(t, metav1.ConditionTrue, state.Status.Conditions[0].Status, "%+v", state)
}

func kinds(lists ...*metav1.APIResourceList) []string {
	var out []string
	for _, list := range lists {
		for _, r := range list.APIResources {
			out = append(out, list.GroupVersion+" "+r.Kind)
		}
	}
	return out
}

// TestAnAutoscalerFollowsTheLoad offers eight times what the autoscaler lets a pod use, so that it has to
// act even where a busy machine gives the pod only a part of that.
func TestAnAutoscalerFollowsTheLoad(t *testing.T) {
	shop, stop := openShop(t, stage.ShopOptions{
		Namespace: "scaled", Replicas: 1, Rate: 40, Env: map[string]string{"CPU": "5ms"},
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")}},
	})
	_, err := shared.Kube.AutoscalingV2().HorizontalPodAutoscalers(shop.Namespace).Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: shop.Name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: shop.Name},
			MinReplicas:    ptr.To[int32](1), MaxReplicas: 3,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name:   corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](50)},
			}}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	replicas := func(ok func(appsv1.DeploymentStatus) bool) {
		t.Helper()
		eventually(t, func(ctx context.Context) error {
			d, err1 := shared.Kube.AppsV1().Deployments(shop.Namespace).Get(ctx, shop.Name, metav1.GetOptions{})
			scaler, err2 := shared.Kube.AutoscalingV2().HorizontalPodAutoscalers(shop.Namespace).Get(ctx, shop.Name, metav1.GetOptions{})
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			if !ok(d.Status) {
				return fmt.Errorf("%d of %d replicas are ready; the autoscaler says %+v", d.Status.ReadyReplicas, d.Status.Replicas, scaler.Status)
			}
			return nil
		})
	}
	replicas(func(s appsv1.DeploymentStatus) bool { return s.ReadyReplicas > 1 })
	stop()
	replicas(func(s appsv1.DeploymentStatus) bool { return s.Replicas == 1 })
}
