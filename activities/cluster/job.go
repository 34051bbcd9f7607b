// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

var _ activities.Jobs = (*Client)(nil)

const (
	// annotationInstantiate is what kubectl writes on a Job that it makes from a CronJob.
	annotationInstantiate = "cronjob.kubernetes.io/instantiate"
	// leftJob is how many seconds a Job is kept that has ended and that nobody deletes: its release was ended by force.
	leftJob = 24 * 60 * 60
)

// InspectJobs refuses a CronJob that is not there, and one whose pods a Service would send users to.
func (c *Client) InspectJobs(ctx context.Context, in activities.InspectJobsIn) error {
	selectors := slices.Clone(in.Selectors)
	root, err := c.service(ctx, in.Target.Namespace, in.Target.Service)
	if err != nil {
		return err
	}
	if root != nil {
		selectors = append(selectors, root.Spec.Selector)
	}
	for _, name := range in.CronJobs {
		from, err := c.cronJob(ctx, in.Target.Namespace, name)
		if err != nil {
			return err
		}
		for _, s := range selectors {
			if len(s) > 0 && labels.SelectorFromSet(s).Matches(labels.Set(from.Spec.JobTemplate.Spec.Template.Labels)) {
				return fault.New(fault.Invalid, "the pods of CronJob %s/%s carry %s, by which a Service would send users to them; give them other labels",
					in.Target.Namespace, name, labels.FormatLabels(s))
			}
		}
	}
	return nil
}

func (c *Client) cronJob(ctx context.Context, namespace, name string) (*batchv1.CronJob, error) {
	from, err := c.kube.BatchV1().CronJobs(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fault.New(fault.NotFound, "CronJob %s/%s does not exist; create it, suspended, or correct the check's job.cronJob", namespace, name)
	}
	return from, Fault(err, fmt.Sprintf("get CronJob %s/%s", namespace, name))
}

// MakeJob makes the Job as `kubectl create job --from=cronjob/NAME` does, but for its owner: the CronJob's controller
// would count it, and delete it by its history limits. A Job is not there before it is made and not after, so its
// fence is that of the Lease, where [Client.DeleteJob] leaves its own.
func (c *Client) MakeJob(ctx context.Context, in activities.RunJobIn) error {
	lease, err := c.kube.CoordinationV1().Leases(in.Target.Namespace).Get(ctx, RecordName(in.Target.Deployment), metav1.GetOptions{})
	if err != nil {
		return Fault(err, fmt.Sprintf("get Lease %s/%s", in.Target.Namespace, RecordName(in.Target.Deployment)))
	}
	if err := holds(lease, in.Write); err != nil {
		return err
	}
	from, err := c.cronJob(ctx, in.Target.Namespace, in.Check.Job.CronJob)
	if err != nil {
		return err
	}
	want := jobOf(from, in)
	if err := Stamp(want, in.Write); err != nil {
		return err
	}
	jobs := c.kube.BatchV1().Jobs(in.Target.Namespace)
	_, err = jobs.Create(ctx, want, metav1.CreateOptions{FieldManager: manager})
	what := fmt.Sprintf("create Job %s/%s", in.Target.Namespace, in.Name)
	if !apierrors.IsAlreadyExists(err) {
		return Fault(err, what)
	}
	has, err := jobs.Get(ctx, in.Name, metav1.GetOptions{})
	if err != nil {
		return Fault(err, what)
	}
	if !made(has, in.ReleaseID) {
		return fault.New(fault.Invalid, "Job %s/%s exists and is not this release's; it is left as it is: rename it, its name is needed for the check", in.Target.Namespace, in.Name)
	}
	return fenced(has, in.Write)
}

// holds refuses a release that has lost its target, and a step that is over.
func holds(lease *coordinationv1.Lease, w activities.Write) error {
	if by, n := ptr.Deref(lease.Spec.HolderIdentity, "nobody"), ptr.Deref(lease.Spec.LeaseTransitions, 0); by != w.ReleaseID || int64(n) != w.Fence.Release {
		return fault.New(fault.Fenced, "%s is held by %s with fence %d, not by release %s with %d", lease.Name, by, n, w.ReleaseID, w.Fence.Release)
	}
	return fenced(lease, w)
}

// made reports whether a release has made an object.
func made(o metav1.Object, release string) bool {
	return o.GetLabels()[LabelManagedBy] == manager && o.GetAnnotations()[AnnotationRelease] == release
}

// jobOf is the Job as its CronJob describes it, with what a check tells it.
func jobOf(from *batchv1.CronJob, in activities.RunJobIn) *batchv1.Job {
	template := from.Spec.JobTemplate.DeepCopy()
	out := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: in.Name, Namespace: in.Target.Namespace, Labels: template.Labels, Annotations: template.Annotations,
		},
		Spec: template.Spec,
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	maps.Copy(out.Labels, map[string]string{LabelManagedBy: manager, LabelService: in.Target.Deployment})
	metav1.SetMetaDataAnnotation(&out.ObjectMeta, annotationInstantiate, "manual")
	// It ends and goes by itself where nobody is left to do it.
	within := int64(in.Check.Within.D().Seconds()) + 1
	out.Spec.ActiveDeadlineSeconds = new(min(within, ptr.Deref(out.Spec.ActiveDeadlineSeconds, within)))
	out.Spec.TTLSecondsAfterFinished = ptr.To[int32](leftJob)
	env := []corev1.EnvVar{
		{Name: "SLIPWAY_RELEASE", Value: in.ReleaseID},
		{Name: "SLIPWAY_IMAGE", Value: in.Image},
		{Name: "SLIPWAY_TRACK", Value: in.Track},
		{Name: "SLIPWAY_SERVICE", Value: in.Service},
	}
	pod := &out.Spec.Template.Spec
	for _, all := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range all {
			all[i].Env = append(slices.DeleteFunc(all[i].Env, func(e corev1.EnvVar) bool {
				return slices.ContainsFunc(env, func(own corev1.EnvVar) bool { return own.Name == e.Name })
			}), env...)
		}
	}
	return out
}

// LookAtJob reads the conditions of the Job, and asks its pods while it has not completed.
func (c *Client) LookAtJob(ctx context.Context, in activities.RunJobIn) (activities.JobState, error) {
	what := fmt.Sprintf("get Job %s/%s", in.Target.Namespace, in.Name)
	j, err := c.kube.BatchV1().Jobs(in.Target.Namespace).Get(ctx, in.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && j.DeletionTimestamp != nil {
		return activities.JobState{Ended: true, Reason: "was deleted by somebody before it had ended"}, nil
	}
	if err != nil {
		return activities.JobState{}, Fault(err, what)
	}
	s := jobState(j)
	if s.Passed {
		return s, nil
	}
	pods, err := c.kube.CoreV1().Pods(j.Namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + j.Name})
	if err != nil {
		return activities.JobState{}, Fault(err, "list pods of Job "+j.Namespace+"/"+j.Name)
	}
	s.Trouble = troubles(pods)
	return s, nil
}

func jobState(j *batchv1.Job) activities.JobState {
	for _, condition := range j.Status.Conditions {
		switch {
		case condition.Status != corev1.ConditionTrue:
		case condition.Type == batchv1.JobComplete:
			return activities.JobState{Ended: true, Passed: true, Reason: "completed"}
		case condition.Type == batchv1.JobFailed:
			return activities.JobState{Ended: true, Reason: fmt.Sprintf("failed (%s)", condition.Reason)}
		}
	}
	switch {
	case ptr.Deref(j.Spec.Suspend, false):
		return activities.JobState{Reason: "is suspended"}
	case j.Status.Active > 0 && j.Status.Failed > 0:
		return activities.JobState{Reason: fmt.Sprintf("runs anew, after %d failed", j.Status.Failed)}
	case j.Status.Active > 0:
		return activities.JobState{Reason: "runs"}
	}
	return activities.JobState{Reason: "has no pod"}
}

// troubles are what a Job's pods complain about, and with what their containers have ended, each once.
func troubles(pods *corev1.PodList) string {
	var out []string
	for i := range pods.Items {
		p := &pods.Items[i]
		statuses := append(slices.Clone(p.Status.InitContainerStatuses), p.Status.ContainerStatuses...)
		for j := range statuses {
			s := &statuses[j]
			for _, ended := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
				if ended != nil && ended.ExitCode != 0 {
					out = append(out, outcome(s.Name, ended))
				}
			}
		}
		if p.Status.Phase == corev1.PodPending {
			out = append(out, complaints(p)...)
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), "; ")
}

func outcome(container string, ended *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("container %s ended with exit code %d (%s)", container, ended.ExitCode, ended.Reason)
	if said := firstLines(ended.Message); said != "" {
		text += ": " + said
	}
	return text
}

// The part of a termination message that is told.
const (
	toldLines = 3
	toldRunes = 300
)

// firstLines of what a container said at its end, as one line that any screen can show.
func firstLines(message string) string {
	var out []string
	for line := range strings.Lines(message) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return ' '
			}
			return r
		}, line))
		if line != "" && len(out) < toldLines {
			out = append(out, line)
		}
	}
	text := []rune(strings.Join(out, " / "))
	if len(text) > toldRunes {
		return string(text[:toldRunes-1]) + "…"
	}
	return string(text)
}

// DeleteJob leaves its fence on the Lease, after which no earlier step makes the Job, and deletes it if it is this
// release's.
func (c *Client) DeleteJob(ctx context.Context, in activities.JobIn) error {
	if err := c.outdate(ctx, in); err != nil {
		return err
	}
	jobs := c.kube.BatchV1().Jobs(in.Target.Namespace)
	foreign := errors.New("it is somebody else's")
	get := func(ctx context.Context, name string, o metav1.GetOptions) (*batchv1.Job, error) {
		j, err := jobs.Get(ctx, name, o)
		if err == nil && !made(j, in.ReleaseID) {
			return nil, foreign
		}
		return j, err
	}
	err := remove(ctx, in.Write, in.Name, fmt.Sprintf("delete Job %s/%s", in.Target.Namespace, in.Name), get, jobs.Delete)
	if errors.Is(err, foreign) {
		return nil
	}
	return err
}

// outdate writes a step's fence on the Lease. A Lease that a newer release holds refuses the older one already, and
// so does one that is gone.
func (c *Client) outdate(ctx context.Context, in activities.JobIn) error {
	leases := c.kube.CoordinationV1().Leases(in.Target.Namespace)
	name := RecordName(in.Target.Deployment)
	_, err := adjust(ctx, name, fmt.Sprintf("mark Lease %s/%s", in.Target.Namespace, name), leases.Get, leases.Update,
		func(lease *coordinationv1.Lease) error {
			if ptr.Deref(lease.Spec.HolderIdentity, "") != in.ReleaseID {
				return nil
			}
			return Stamp(lease, in.Write)
		})
	if kind := fault.Of(err); err != nil && (kind == fault.NotFound || kind == fault.Fenced) {
		return nil
	}
	return err
}
