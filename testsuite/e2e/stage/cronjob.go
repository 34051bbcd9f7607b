// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// CronJob is a suspended one whose pods run a shell script once.
func CronJob(namespace, name, image, script string) *batchv1.CronJob {
	return &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, Spec: batchv1.CronJobSpec{
		Schedule: "0 0 1 1 *", Suspend: new(true),
		JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{
			BackoffLimit: ptr.To[int32](0),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}},
				Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: ptr.To[int64](1),
					Containers: []corev1.Container{{Name: "smoke", Image: image, Command: []string{"/bin/sh", "-c", script}}},
				},
			},
		}},
	}}
}

// PutCronJob makes one beside the shop, unless it is there.
func (p *Shop) PutCronJob(ctx context.Context, name, script string) error {
	_, err := p.Stage.Kube.BatchV1().CronJobs(p.Namespace).Create(ctx, CronJob(p.Namespace, name, p.Image, script), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("make CronJob %s: %w", name, err)
	}
	return nil
}
