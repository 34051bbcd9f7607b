// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// smoke is a place with a CronJob, and the first step of its release that makes a Job of it.
func smoke(t *testing.T, script string, change ...func(*batchv1.CronJob)) (*place, activities.RunJobIn) {
	t.Helper()
	p := open(t)
	from := stage.CronJob(p.target.Namespace, "smoke", image("v1"), script)
	for _, c := range change {
		c(from)
	}
	_, err := world.Kube.BatchV1().CronJobs(p.target.Namespace).Create(t.Context(), from, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = p.workloads.TakeFence(t.Context(), activities.TakeFenceIn{Target: p.target, ReleaseID: "release-1"})
	require.NoError(t, err)
	return p, p.job(1, 2)
}

func (p *place) job(release, step int64) activities.RunJobIn {
	w := write(release, step)
	return activities.RunJobIn{
		JobIn: activities.JobIn{Write: w, Target: p.target, Name: activities.JobName(p.target, "smoke", w)},
		Check: plan.Check{Name: "smoke", Job: &plan.JobCheck{CronJob: "smoke"}, Within: plan.Duration(time.Minute)},
		Image: image("v2"), Track: "checkout-green", Service: "checkout-green",
	}
}

// ended waits until the Job has, and returns the last that its pods said.
func (p *place) ended(t *testing.T, in activities.RunJobIn) (state activities.JobState, trouble string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		var err error
		if state, err = p.workloads.LookAtJob(ctx, in); err != nil {
			return err
		}
		if state.Trouble != "" {
			trouble = state.Trouble
		}
		if !state.Ended {
			return errors.New("the Job " + state.Reason + state.Trouble)
		}
		return nil
	})
	return state, trouble
}

// noJob waits until there is neither a Job nor a pod of one.
func (p *place) noJob(t *testing.T) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		jobs, err1 := world.Kube.BatchV1().Jobs(p.target.Namespace).List(ctx, metav1.ListOptions{})
		pods, err2 := world.Kube.CoreV1().Pods(p.target.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=smoke"})
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if len(jobs.Items)+len(pods.Items) > 0 {
			return fmt.Errorf("there are %d Jobs and %d pods", len(jobs.Items), len(pods.Items))
		}
		return nil
	})
}

func (p *place) getJob(t *testing.T, name string) *batchv1.Job {
	t.Helper()
	j, err := world.Kube.BatchV1().Jobs(p.target.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return j
}

func TestAJobRunsOnceWithWhatItIsTold(t *testing.T) {
	const script = `test "$SLIPWAY_RELEASE $SLIPWAY_TRACK $SLIPWAY_SERVICE $OWN" = "release-1 checkout-green checkout-green kept" && test "$SLIPWAY_IMAGE" != wrong`
	p, in := smoke(t, script, func(c *batchv1.CronJob) {
		c.Spec.JobTemplate.Labels = map[string]string{"queue": "tests"}
		c.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "OWN", Value: "kept"}, {Name: "SLIPWAY_IMAGE", Value: "wrong"}}
	})
	require.NoError(t, p.workloads.InspectJobs(t.Context(), activities.InspectJobsIn{Target: p.target, CronJobs: []string{"smoke"}}))
	require.NoError(t, p.workloads.MakeJob(t.Context(), in))
	first := p.getJob(t, "checkout-smoke-1-2")
	require.NoError(t, p.workloads.MakeJob(t.Context(), in), "another attempt")
	state, trouble := p.ended(t, in)
	require.True(t, state.Passed, "%s %s", state.Reason, trouble)
	require.NoError(t, p.workloads.MakeJob(t.Context(), in), "an attempt after its end")
	j := p.getJob(t, in.Name)
	require.Equal(t, first.UID, j.UID, "it was made once")
	require.EqualValues(t, 1, j.Status.Succeeded)
	require.Equal(t, "tests", j.Labels["queue"])
	require.Equal(t, "slipway", j.Labels[cluster.LabelManagedBy])
	require.Equal(t, "release-1", j.Annotations[cluster.AnnotationRelease])
	require.Empty(t, j.OwnerReferences, "the CronJob's history limits are not for it")
	for range 2 {
		require.NoError(t, p.workloads.DeleteJob(t.Context(), activities.JobIn{Write: write(1, 3), Target: p.target, Name: in.Name}))
	}
	p.noJob(t)
}

func TestAJobThatFailsSaysWhy(t *testing.T) {
	const script = `printf 'no basket\nsecond\nthird\nfourth\n' > /dev/termination-log; exit 3`
	for name, policy := range map[string]corev1.RestartPolicy{"whose pod stays": corev1.RestartPolicyNever, "whose pod goes": corev1.RestartPolicyOnFailure} {
		t.Run(name, func(t *testing.T) {
			p, in := smoke(t, script, func(c *batchv1.CronJob) { c.Spec.JobTemplate.Spec.Template.Spec.RestartPolicy = policy })
			require.NoError(t, p.workloads.MakeJob(t.Context(), in))
			state, trouble := p.ended(t, in)
			require.False(t, state.Passed)
			require.Equal(t, "failed (BackoffLimitExceeded)", state.Reason)
			require.Equal(t, "container smoke ended with exit code 3 (Error): no basket / second / third", trouble)
			require.NoError(t, p.workloads.DeleteJob(t.Context(), activities.JobIn{Write: write(1, 3), Target: p.target, Name: in.Name}))
			p.noJob(t)
		})
	}
}

func TestAJobThatNeverStartsOrIsTakenAwaySaysSo(t *testing.T) {
	p, in := smoke(t, "exit 0", func(c *batchv1.CronJob) {
		c.Spec.JobTemplate.Spec.Template.Spec.NodeSelector = map[string]string{"never": "scheduled"}
	})
	require.NoError(t, p.workloads.MakeJob(t.Context(), in))
	eventually(t, func(ctx context.Context) error {
		s, err := p.workloads.LookAtJob(ctx, in)
		if err == nil && (s.Ended || s.Trouble == "") {
			err = fmt.Errorf("%+v", s)
		}
		return err
	})
	state, err := p.workloads.LookAtJob(t.Context(), in)
	require.NoError(t, err)
	require.Contains(t, state.Trouble, "node(s) didn't match Pod's node affinity/selector")
	require.NoError(t, world.Kube.BatchV1().Jobs(p.target.Namespace).Delete(t.Context(), in.Name, metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)}))
	state, _ = p.ended(t, in)
	require.Equal(t, activities.JobState{Ended: true, Reason: "was deleted by somebody before it had ended"}, state)
}

func TestALateAttemptMakesNoJob(t *testing.T) {
	p, in := smoke(t, "exit 0")
	require.NoError(t, p.workloads.MakeJob(t.Context(), in))
	require.NoError(t, p.workloads.DeleteJob(t.Context(), activities.JobIn{Write: write(1, 3), Target: p.target, Name: in.Name}))
	require.Equal(t, fault.Fenced, fault.Of(p.workloads.MakeJob(t.Context(), in)), "its step is over")
	require.NoError(t, p.workloads.MakeJob(t.Context(), p.job(1, 4)), "the next step makes its own")
	_, err := p.workloads.TakeFence(t.Context(), activities.TakeFenceIn{Target: p.target, ReleaseID: "release-2"})
	require.NoError(t, err)
	require.Equal(t, fault.Fenced, fault.Of(p.workloads.MakeJob(t.Context(), p.job(1, 5))), "another release has the target")
	old := p.job(1, 4)
	old.Write = write(1, 6)
	require.NoError(t, p.workloads.DeleteJob(t.Context(), old.JobIn), "what it has made it may still delete")
	p.noJob(t)
	require.NoError(t, p.workloads.MakeJob(t.Context(), p.job(2, 2)))
	require.NoError(t, p.workloads.DeleteJob(t.Context(), activities.JobIn{Write: write(2, 3), Target: p.target, Name: p.job(2, 2).Name}))
}

func TestAJobOfSomebodyElseIsRefusedAndLeftAlone(t *testing.T) {
	p, in := smoke(t, "exit 0")
	from := stage.CronJob(p.target.Namespace, "smoke", image("v1"), "exit 1")
	_, err := world.Kube.BatchV1().Jobs(p.target.Namespace).Create(t.Context(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: in.Name, Namespace: p.target.Namespace}, Spec: from.Spec.JobTemplate.Spec,
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	before := p.getJob(t, in.Name)
	err = p.workloads.MakeJob(t.Context(), in)
	require.Equal(t, fault.Invalid, fault.Of(err))
	require.ErrorContains(t, err, "exists and is not this release's; it is left as it is")
	require.NoError(t, p.workloads.DeleteJob(t.Context(), activities.JobIn{Write: write(1, 3), Target: p.target, Name: in.Name}))
	require.Equal(t, before.UID, p.getJob(t, in.Name).UID)
}

func TestACronJobThatNoCheckCanUseIsRefused(t *testing.T) {
	p, _ := smoke(t, "exit 0")
	look := func(in activities.InspectJobsIn) error {
		in.Target = p.target
		return p.workloads.InspectJobs(t.Context(), in)
	}
	err := look(activities.InspectJobsIn{CronJobs: []string{"smoke", "other"}})
	require.Equal(t, fault.NotFound, fault.Of(err))
	require.ErrorContains(t, err, "CronJob "+p.target.Namespace+"/other does not exist; create it, suspended")
	err = look(activities.InspectJobsIn{CronJobs: []string{"smoke"}, Selectors: []map[string]string{{"app": "smoke"}}})
	require.Equal(t, fault.Invalid, fault.Of(err))
	require.ErrorContains(t, err, "carry app=smoke, by which a Service would send users to them")

	from := stage.CronJob(p.target.Namespace, "mixed", image("v1"), "exit 0")
	from.Spec.JobTemplate.Spec.Template.Labels = map[string]string{"app": "checkout", "tier": "web"}
	_, err = world.Kube.BatchV1().CronJobs(p.target.Namespace).Create(t.Context(), from, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, fault.Invalid, fault.Of(look(activities.InspectJobsIn{CronJobs: []string{"mixed"}})), "the root Service selects them")
}

func TestWithoutTheRightToMakeJobsThatIsSaid(t *testing.T) {
	p, in := smoke(t, "exit 0")
	name, namespace := "reads-"+p.target.Namespace, p.target.Namespace
	_, err := world.Kube.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"batch"}, Resources: []string{"cronjobs"}, Verbs: []string{"get"}},
			{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get"}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = world.Kube.RbacV1().RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	config, err := clientcmd.BuildConfigFromFlags("", world.Kubeconfig)
	require.NoError(t, err)
	config.Impersonate = rest.ImpersonationConfig{UserName: name}
	kube, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	err = cluster.New(kube).MakeJob(t.Context(), in)
	require.Equal(t, fault.Denied, fault.Of(err))
	require.ErrorContains(t, err, "create Job "+namespace+"/"+in.Name)
	require.ErrorContains(t, err, "apply the roles in deploy/")
	_, err = world.Kube.BatchV1().Jobs(namespace).Get(t.Context(), in.Name, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err))
}
