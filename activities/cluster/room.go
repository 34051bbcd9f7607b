// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities/fault"
)

// checkVolumes refuses a volume that the pods of two tracks could not both mount.
func (c *Client) checkVolumes(ctx context.Context, d *appsv1.Deployment) error {
	for _, v := range d.Spec.Template.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		name := v.PersistentVolumeClaim.ClaimName
		claim, err := c.kube.CoreV1().PersistentVolumeClaims(d.Namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return fault.New(fault.NotFound, "Deployment %s/%s mounts the PersistentVolumeClaim %s, which does not exist", d.Namespace, d.Name, name)
		}
		if err != nil {
			return Fault(err, "get PersistentVolumeClaim "+d.Namespace+"/"+name)
		}
		shared := slices.ContainsFunc(claim.Spec.AccessModes, func(m corev1.PersistentVolumeAccessMode) bool {
			return m == corev1.ReadWriteMany || m == corev1.ReadOnlyMany
		})
		if !shared {
			return fault.New(fault.Invalid, "Deployment %s/%s mounts the PersistentVolumeClaim %s, which is %v; "+
				"two tracks need ReadWriteMany, or state that lives outside of the pods", d.Namespace, d.Name, name, claim.Spec.AccessModes)
		}
	}
	return nil
}

// checkRoom tells which quotas would not hold so many more pods. It warns only: a limit range or somebody's
// scaling may change the sum before they are made, and then the pods themselves say why they are not.
func (c *Client) checkRoom(ctx context.Context, d *appsv1.Deployment, more int32) ([]string, error) {
	quotas, err := c.kube.CoreV1().ResourceQuotas(d.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, Fault(err, "list ResourceQuotas of "+d.Namespace)
	}
	var out []string
	needs := demand(&d.Spec.Template.Spec, more)
	for i := range quotas.Items {
		out = append(out, short(&quotas.Items[i], needs)...)
	}
	return out, nil
}

// short are the resources that a quota has too little of. One that counts only some pods is not judged.
func short(q *corev1.ResourceQuota, needs corev1.ResourceList) []string {
	if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
		return nil
	}
	var out []string
	for name, hard := range q.Status.Hard {
		need, ok := needs[name]
		if !ok {
			continue
		}
		used := q.Status.Used[name]
		sum := used.DeepCopy()
		sum.Add(need)
		if sum.Cmp(hard) > 0 {
			out = append(out, fmt.Sprintf("ResourceQuota %s has no room for the second track: %s of %s %s are used and it needs %s more; raise it, or not all pods will start",
				q.Name, used.String(), hard.String(), name, need.String()))
		}
	}
	slices.Sort(out)
	return out
}

// demand is what so many pods take from a quota.
func demand(pod *corev1.PodSpec, pods int32) corev1.ResourceList {
	out := corev1.ResourceList{
		corev1.ResourcePods: *resource.NewQuantity(int64(pods), resource.DecimalSI),
		"count/pods":        *resource.NewQuantity(int64(pods), resource.DecimalSI),
	}
	running := slices.Clone(pod.Containers)
	for _, c := range pod.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			running = append(running, c)
		}
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		var requests, limits resource.Quantity
		for i := range running {
			limit := running[i].Resources.Limits[name]
			request, ok := running[i].Resources.Requests[name]
			if !ok {
				request = limit
			}
			requests.Add(request)
			limits.Add(limit)
		}
		requests.Mul(int64(pods))
		limits.Mul(int64(pods))
		out[name], out["requests."+name], out["limits."+name] = requests, requests, limits
	}
	return out
}
