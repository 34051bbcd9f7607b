// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

var greenLabels = map[string]string{cluster.LabelService: "checkout", cluster.LabelTrack: "green"}

func (p *place) inspect(t *testing.T, image string) activities.Tracks {
	t.Helper()
	tracks, err := p.workloads.Inspect(t.Context(), activities.InspectTargetIn{Target: p.target, Image: image})
	require.NoError(t, err)
	return tracks
}

func TestInspectFindsBlueServing(t *testing.T) {
	p := open(t)
	got := p.inspect(t, image("v2"))
	require.Empty(t, cmp.Diff(activities.Tracks{
		Stable: "checkout", StableImage: image("v1"), StableSelector: map[string]string{"app": "checkout", "tier": "web"},
		Candidate: "checkout-green", CandidateService: "checkout-green", CandidateSelector: greenLabels, Replicas: 2, Port: 80,
	}, got))
	require.Zero(t, p.writes.Load())
}

func TestInspectFindsGreenServing(t *testing.T) {
	p := open(t)
	p.promote(t, image("v2"))
	require.Empty(t, cmp.Diff(activities.Tracks{
		Stable: "checkout-green", StableImage: image("v2"), StableSelector: greenLabels,
		Candidate: "checkout", CandidateExists: true, CandidateImage: image("v1"), CandidateReplicas: 2,
		CandidateService: "checkout-blue", CandidateSelector: map[string]string{"app": "checkout", "tier": "web"},
		Replicas: 2, Port: 80,
	}, p.inspect(t, image("v3"))))
}

func TestInspectRefusesWhatCouldNotBeReleased(t *testing.T) {
	for name, c := range map[string]struct {
		make   option
		change func(*activities.InspectTargetIn)
		kind   fault.Kind
		says   string
	}{
		"the Deployment does not exist": {
			change: func(in *activities.InspectTargetIn) { in.Target.Deployment = "chekcout" },
			kind:   fault.NotFound, says: "Deployment NS/chekcout does not exist; create it, or correct spec.target",
		},
		"the Service does not exist": {
			change: func(in *activities.InspectTargetIn) { in.Target.Service = "till" },
			kind:   fault.NotFound, says: "Service NS/till does not exist; create it, or correct spec.target.service",
		},
		"the Deployment selects by expressions": {
			make: func(d *appsv1.Deployment, _ *corev1.Service, _ *gatewayv1.HTTPRoute) {
				d.Spec.Selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpExists}}
			},
			kind: fault.Invalid, says: "Deployment NS/checkout selects its pods by expressions; only matchLabels can be told apart from a second track",
		},
		"the Deployment is paused": {
			make: func(d *appsv1.Deployment, _ *corev1.Service, _ *gatewayv1.HTTPRoute) { d.Spec.Paused = true },
			kind: fault.Invalid, says: "Deployment NS/checkout is paused; run `kubectl rollout resume` first",
		},
		"the Deployment is scaled to zero": {
			make: func(d *appsv1.Deployment, _ *corev1.Service, _ *gatewayv1.HTTPRoute) {
				d.Spec.Replicas = ptr.To[int32](0)
			},
			kind: fault.Invalid, says: "Deployment NS/checkout is scaled to zero; there is nothing serving to compare with",
		},
		"the Service has no selector": {
			make: func(_ *appsv1.Deployment, s *corev1.Service, _ *gatewayv1.HTTPRoute) { s.Spec.Selector = nil },
			kind: fault.Invalid, says: "Service NS/checkout has no selector; Slipway cannot tell which pods it reaches",
		},
		"the Service has no port": {
			make: func(_ *appsv1.Deployment, s *corev1.Service, _ *gatewayv1.HTTPRoute) {
				s.Spec.Ports, s.Spec.ClusterIP = nil, corev1.ClusterIPNone
			},
			kind: fault.Invalid, says: "Service NS/checkout has no port",
		},
		"the Service selects other pods": {
			make: func(_ *appsv1.Deployment, s *corev1.Service, _ *gatewayv1.HTTPRoute) {
				s.Spec.Selector = map[string]string{"app": "till"}
			},
			kind: fault.Invalid, says: "Service NS/checkout selects map[app:till], which are not the pods of Deployment checkout",
		},
		"the Service reaches both tracks, as a release ended by force leaves it": {
			make: labeled, change: func(*activities.InspectTargetIn) {},
			kind: fault.Edited, says: "Service NS/checkout selects map[slipway.dev/service:checkout], which the pods of both tracks carry; " +
				"was a release ended by force? Let it select the pods of Deployment checkout alone, then release again",
		},
		"the Deployment selects by the label that both tracks carry": {
			make: func(d *appsv1.Deployment, _ *corev1.Service, _ *gatewayv1.HTTPRoute) {
				d.Spec.Template.Labels[cluster.LabelService] = "checkout"
				d.Spec.Selector.MatchLabels = map[string]string{cluster.LabelService: "checkout"}
			},
			kind: fault.Invalid, says: "Deployment NS/checkout selects its pods by slipway.dev/service alone, which the pods of its second track carry too; " +
				"let it select by a label of its own",
		},
		"two containers and none is named": {
			make: sidecar,
			kind: fault.Invalid, says: "Deployment checkout has 2 containers (shop, sidecar); name one in spec.target.container",
		},
		"the container does not exist": {
			make: sidecar, change: func(in *activities.InspectTargetIn) { in.Target.Container = "main" },
			kind: fault.Invalid, says: "Deployment checkout has no container main; it has shop, sidecar",
		},
		"the image runs already": {
			change: func(in *activities.InspectTargetIn) { in.Image = image("v1") },
			kind:   fault.Invalid, says: "checkout runs " + image("v1") + " already; there is nothing to release",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var options []option
			if c.make != nil {
				options = append(options, c.make)
			}
			p := open(t, options...)
			in := activities.InspectTargetIn{Target: p.target, Image: image("v2")}
			if c.change != nil {
				c.change(&in)
			}
			_, err := p.workloads.Inspect(t.Context(), in)
			require.EqualError(t, err, strings.ReplaceAll(c.says, "NS", p.target.Namespace))
			require.Equal(t, c.kind, fault.Of(err))
			require.Zero(t, p.writes.Load())
		})
	}
}

// labeled gives the pods the label that both tracks carry, and lets the root Service select by it.
func labeled(d *appsv1.Deployment, s *corev1.Service, _ *gatewayv1.HTTPRoute) {
	shared(d, nil, nil)
	s.Spec.Selector = map[string]string{cluster.LabelService: "checkout"}
}

func sidecar(d *appsv1.Deployment, _ *corev1.Service, _ *gatewayv1.HTTPRoute) {
	d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "sidecar", Image: image("v0")})
}

func TestInspectRefusesNamesThatSomebodyElseHasTaken(t *testing.T) {
	p := open(t)
	in := activities.InspectTargetIn{Target: p.target, Image: image("v2")}
	foreign := service(p.target.Namespace)
	foreign.Name = "checkout-green"
	_, err := world.Kube.CoreV1().Services(p.target.Namespace).Create(t.Context(), foreign, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = p.workloads.Inspect(t.Context(), in)
	require.EqualError(t, err, "Service "+p.target.Namespace+"/checkout-green exists and is not Slipway's; rename it, its name is needed for the candidate")
	require.Equal(t, fault.Invalid, fault.Of(err))

	p.foreignGreen(t)
	_, err = p.workloads.Inspect(t.Context(), in)
	require.EqualError(t, err, "Deployment "+p.target.Namespace+"/checkout-green exists and is not Slipway's; rename it, its name is needed for the green track, "+
		"or name both in spec.target.tracks if they are two tracks that you keep by hand")
	require.Equal(t, fault.Invalid, fault.Of(err))
}

// foreignGreen is somebody's own Deployment with the green track's name.
func (p *place) foreignGreen(t *testing.T) {
	t.Helper()
	d := deployment(p.target.Namespace)
	d.Name = "checkout-green"
	d.Spec.Selector.MatchLabels = map[string]string{"app": "somebody"}
	d.Spec.Template.Labels = map[string]string{"app": "somebody"}
	_, err := world.Kube.AppsV1().Deployments(p.target.Namespace).Create(t.Context(), d, metav1.CreateOptions{})
	require.NoError(t, err)
}
