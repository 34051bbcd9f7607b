// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

func (p *place) trySet(ctx context.Context, weight int, w activities.Write) error {
	return p.router.Set(ctx, activities.SetTrafficWeightIn{Write: w, Route: p.route, Weight: weight})
}

func (p *place) set(t *testing.T, weight int, w activities.Write) {
	t.Helper()
	require.NoError(t, p.trySet(t.Context(), weight, w))
}

// shifted is a route as its owner wrote it, at a weight.
func shifted(owners gatewayv1.HTTPRouteSpec, weight int32) gatewayv1.HTTPRouteSpec {
	want := *owners.DeepCopy()
	for i := range want.Rules {
		if refs := want.Rules[i].BackendRefs; refs[0].Name == "checkout" {
			stable, candidate := *refs[0].DeepCopy(), *refs[0].DeepCopy()
			stable.Weight, candidate.Weight, candidate.Name = ptr.To(100-weight), ptr.To(weight), "checkout-green"
			want.Rules[i].BackendRefs = []gatewayv1.HTTPBackendRef{stable, candidate}
		}
	}
	return want
}

func TestEveryWeightTouchesOnlyTheTwoBackendsAndZeroLeavesTheRouteAsFound(t *testing.T) {
	p := open(t)
	owners := p.httpRoute(t).Spec
	for weight := range 100 {
		p.set(t, weight+1, write(1, int64(weight)))
		require.Empty(t, cmp.Diff(shifted(owners, int32(weight+1)), p.httpRoute(t).Spec))
	}
	p.set(t, 0, write(1, 100))
	require.Empty(t, cmp.Diff(owners, p.httpRoute(t).Spec))
	p.set(t, 0, write(1, 100))
	require.Empty(t, cmp.Diff(owners, p.httpRoute(t).Spec), "taking out what is not there changes nothing")
	got, err := p.router.Read(t.Context(), p.route)
	require.NoError(t, err)
	require.Zero(t, got)
}

func TestAWeightOutsideZeroToAHundredIsRefused(t *testing.T) {
	p := open(t)
	owners := p.httpRoute(t).Spec
	for _, weight := range []int{-1, 101} {
		err := p.trySet(t.Context(), weight, write(1, 1))
		require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	}
	require.Empty(t, cmp.Diff(owners, p.httpRoute(t).Spec))
}

func TestZeroOnARouteThatWasNeverShiftedChangesNothing(t *testing.T) {
	p := open(t)
	owners := p.httpRoute(t).Spec
	p.set(t, 0, write(1, 1))
	require.Empty(t, cmp.Diff(owners, p.httpRoute(t).Spec))
}

func TestTheFiltersOfABackendAreTheCandidatesToo(t *testing.T) {
	p := open(t, func(_ *appsv1.Deployment, _ *corev1.Service, r *gatewayv1.HTTPRoute) {
		r.Spec.Rules[0].BackendRefs[0].Filters = []gatewayv1.HTTPRouteFilter{{
			Type:                  gatewayv1.HTTPRouteFilterRequestHeaderModifier,
			RequestHeaderModifier: &gatewayv1.HTTPHeaderFilter{Remove: []string{"X-Debug"}},
		}}
	})
	owners := p.httpRoute(t).Spec
	p.set(t, 10, write(1, 1))
	require.Empty(t, cmp.Diff(shifted(owners, 10), p.httpRoute(t).Spec))
	p.set(t, 0, write(1, 2))
	require.Empty(t, cmp.Diff(owners, p.httpRoute(t).Spec))
}

func TestABackendNamedWithItsOwnNamespaceIsTheSame(t *testing.T) {
	p := open(t, plain)
	p.editRoute(t, func(r *gatewayv1.HTTPRoute) {
		r.Spec.Rules[0].BackendRefs[0].Namespace = ptr.To(gatewayv1.Namespace(p.target.Namespace))
	})
	owners := p.httpRoute(t).Spec
	_, err := p.router.Read(t.Context(), p.route)
	require.NoError(t, err)
	p.set(t, 10, write(1, 1))
	require.Empty(t, cmp.Diff(shifted(owners, 10), p.httpRoute(t).Spec))
}

func TestReadRefusesARouteThatCannotBeShifted(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*gatewayv1.HTTPRoute)
		kind fault.Kind
		says string
	}{
		"a third backend in the same rule": {
			func(r *gatewayv1.HTTPRoute) {
				r.Spec.Rules[2].BackendRefs = append(r.Spec.Rules[2].BackendRefs, backend("till", ptr.To[int32](1)))
			},
			fault.Invalid, "HTTPRoute NS/checkout sends to Service till in the same rule as to checkout; Slipway shifts between two backends only",
		},
		"the Service of another namespace is a third backend": {
			func(r *gatewayv1.HTTPRoute) {
				other := backend("checkout-green", ptr.To[int32](1))
				other.Namespace = ptr.To[gatewayv1.Namespace]("elsewhere")
				r.Spec.Rules[2].BackendRefs = append(r.Spec.Rules[2].BackendRefs, other)
			},
			fault.Invalid, "HTTPRoute NS/checkout sends to Service elsewhere/checkout-green in the same rule as to checkout; Slipway shifts between two backends only",
		},
		"the Service twice in one rule": {
			func(r *gatewayv1.HTTPRoute) {
				second := backend("checkout", ptr.To[int32](1))
				second.Port = ptr.To[gatewayv1.PortNumber](8080)
				r.Spec.Rules[0].BackendRefs = append(r.Spec.Rules[0].BackendRefs, second)
			},
			fault.Invalid, "HTTPRoute NS/checkout names a Service twice in the rule that sends to checkout; Slipway shifts between two backends only",
		},
		"no rule with the Service": {
			func(r *gatewayv1.HTTPRoute) { r.Spec.Rules = r.Spec.Rules[1:2] },
			fault.Invalid, "HTTPRoute NS/checkout sends nothing to Service checkout (it names: other-a, other-b); correct the route, or spec.target.service",
		},
		"the Service gets the weight 0": {
			func(r *gatewayv1.HTTPRoute) { r.Spec.Rules[0].BackendRefs[0].Weight = ptr.To[int32](0) },
			fault.Invalid, "HTTPRoute NS/checkout gives Service checkout the weight 0; there is nothing to shift",
		},
		"the candidate is there already": {
			func(r *gatewayv1.HTTPRoute) { r.Spec = shifted(r.Spec, 30) },
			fault.Edited, "HTTPRoute NS/checkout sends 30 % to Service checkout-green already; was a release ended by force? Take that backend out, then release again",
		},
		"the candidate is there in the second rule": {
			func(r *gatewayv1.HTTPRoute) { r.Spec.Rules[2] = shifted(r.Spec, 0).Rules[2] },
			fault.Edited, "HTTPRoute NS/checkout sends 0 % to Service checkout-green already; was a release ended by force? Take that backend out, then release again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			p.editRoute(t, c.edit)
			_, err := p.router.Read(t.Context(), p.route)
			require.EqualError(t, err, strings.ReplaceAll(c.says, "NS", p.target.Namespace))
			require.Equal(t, c.kind, fault.Of(err))
			before := p.httpRoute(t)
			require.Error(t, p.trySet(t.Context(), 10, write(1, 1)), "what cannot be read is not written")
			require.Empty(t, cmp.Diff(before.Spec, p.httpRoute(t).Spec))
		})
	}
}

func TestARouteThatDoesNotExistIsNotFound(t *testing.T) {
	p := open(t)
	p.route.Traffic.GatewayAPI.Route = "chekcout"
	_, err := p.router.Read(t.Context(), p.route)
	require.Equal(t, fault.NotFound, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "HTTPRoute "+p.target.Namespace+"/chekcout does not exist; create it, or correct spec.traffic.gatewayAPI.route")
}

func TestSomebodysEditIsRefusedForwardsAndTheWayBackIsOpen(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*gatewayv1.HTTPRoute)
		says string
		// left changes the owner's spec into what the way back leaves.
		left func(*gatewayv1.HTTPRouteSpec)
	}{
		"another weight in every rule": {
			edit: func(r *gatewayv1.HTTPRoute) { r.Spec = shifted(r.Spec, 60) }, says: "to 60 % since Slipway set it to 20 %",
		},
		"another weight in the last rule only": {
			edit: func(r *gatewayv1.HTTPRoute) { r.Spec.Rules[2] = shifted(r.Spec, 60).Rules[2] }, says: "to 60 % since Slipway set it to 20 %",
		},
		"the same share in other numbers": {
			edit: func(r *gatewayv1.HTTPRoute) {
				r.Spec.Rules[0].BackendRefs[0].Weight, r.Spec.Rules[0].BackendRefs[1].Weight = ptr.To[int32](8), ptr.To[int32](2)
			},
			says: "to 2 parts of 10 since Slipway set it to 20 %",
		},
		"the candidate is taken out": {
			edit: func(r *gatewayv1.HTTPRoute) {
				r.Spec.Rules[2].BackendRefs = []gatewayv1.HTTPBackendRef{backend("checkout", ptr.To[int32](1))}
			},
			says: "to 0 % since Slipway set it to 20 %",
		},
		"the candidate gets everything": {
			edit: func(r *gatewayv1.HTTPRoute) {
				r.Spec.Rules[2].BackendRefs[0].Weight, r.Spec.Rules[2].BackendRefs[1].Weight = ptr.To[int32](0), ptr.To[int32](1)
			},
			says: "to 1 parts of 1 since Slipway set it to 20 %",
		},
		"a new rule with the Service": {
			edit: func(r *gatewayv1.HTTPRoute) {
				r.Spec.Rules = append(r.Spec.Rules, gatewayv1.HTTPRouteRule{Matches: r.Spec.Rules[1].Matches, BackendRefs: []gatewayv1.HTTPBackendRef{backend("checkout", ptr.To[int32](3))}})
			},
			says: "to 0 % since Slipway set it to 20 %",
			left: func(s *gatewayv1.HTTPRouteSpec) {
				s.Rules = append(s.Rules, gatewayv1.HTTPRouteRule{Matches: s.Rules[1].Matches, BackendRefs: []gatewayv1.HTTPBackendRef{backend("checkout", ptr.To[int32](3))}})
			},
		},
		"a third backend": {
			edit: func(r *gatewayv1.HTTPRoute) {
				r.Spec.Rules[2].BackendRefs = append(r.Spec.Rules[2].BackendRefs, backend("till", ptr.To[int32](50)))
			},
			says: "sends to Service till in the same rule",
			left: func(s *gatewayv1.HTTPRouteSpec) {
				s.Rules[2].BackendRefs = []gatewayv1.HTTPBackendRef{backend("checkout", ptr.To[int32](100)), backend("till", ptr.To[int32](50))}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			owners := p.httpRoute(t).Spec
			p.set(t, 20, write(1, 1))
			p.editRoute(t, c.edit)
			edited := p.httpRoute(t)
			err := p.trySet(t.Context(), 30, write(1, 2))
			require.ErrorContains(t, err, c.says)
			require.True(t, fault.Final(err))
			require.Empty(t, cmp.Diff(edited.Spec, p.httpRoute(t).Spec))

			p.set(t, 0, write(1, 3))
			if c.left != nil {
				c.left(&owners)
				for i := range owners.Rules { // as the API server completes them
					for j := range owners.Rules[i].BackendRefs {
						owners.Rules[i].BackendRefs[j].Group, owners.Rules[i].BackendRefs[j].Kind = ptr.To[gatewayv1.Group](""), ptr.To[gatewayv1.Kind]("Service")
					}
				}
			}
			require.Empty(t, cmp.Diff(owners, p.httpRoute(t).Spec))
		})
	}
}

func TestAnEditIsAFaultOfItsOwnKind(t *testing.T) {
	p := open(t, plain)
	p.set(t, 20, write(1, 1))
	p.editRoute(t, func(r *gatewayv1.HTTPRoute) { r.Spec = shifted(r.Spec, 60) })
	err := p.trySet(t.Context(), 30, write(1, 2))
	require.Equal(t, fault.Edited, fault.Of(err), "%v", err)
}

func TestAnotherRuleOfTheOwnerMayChangeMeanwhile(t *testing.T) {
	p := open(t)
	p.set(t, 20, write(1, 1))
	p.editRoute(t, func(r *gatewayv1.HTTPRoute) { r.Spec.Rules[1].BackendRefs[0].Weight = ptr.To[int32](9) })
	p.set(t, 30, write(1, 2))
	require.EqualValues(t, 9, *p.httpRoute(t).Spec.Rules[1].BackendRefs[0].Weight)
}

func TestALateWeightOfAnOlderReleaseIsRefused(t *testing.T) {
	p := open(t, plain)
	p.set(t, 20, write(2, 5))
	before := p.httpRoute(t).Spec
	for _, w := range []activities.Write{write(1, 99), write(2, 4)} {
		for _, weight := range []int{0, 50} {
			err := p.trySet(t.Context(), weight, w)
			require.Equal(t, fault.Fenced, fault.Of(err), "%v", err)
		}
	}
	require.Empty(t, cmp.Diff(before, p.httpRoute(t).Spec))
}

func TestConcurrentWritersNeverLeaveASumOtherThanAHundred(t *testing.T) {
	p := open(t)
	p.set(t, 1, write(1, 0))
	watch, err := world.Gateways.GatewayV1().HTTPRoutes(p.target.Namespace).Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var writers sync.WaitGroup
	for step := range 8 {
		writers.Go(func() {
			for weight := step + 1; weight <= 100; weight += 8 {
				err := p.trySet(t.Context(), weight, write(1, int64(step)))
				if kind := fault.Of(err); err != nil && kind != fault.Fenced && kind != fault.Unavailable {
					t.Errorf("set %d: %v", weight, err)
				}
			}
		})
	}
	writers.Wait()
	last, seen := p.httpRoute(t).ResourceVersion, 0
	for event := range watch.ResultChan() {
		r, ok := event.Object.(*gatewayv1.HTTPRoute)
		require.True(t, ok)
		for _, i := range []int{0, 2} {
			sum := int32(0)
			for _, b := range r.Spec.Rules[i].BackendRefs {
				sum += *b.Weight
			}
			require.EqualValues(t, 100, sum)
		}
		require.Equal(t, *r.Spec.Rules[0].BackendRefs[1].Weight, *r.Spec.Rules[2].BackendRefs[1].Weight)
		seen++
		if r.ResourceVersion == last {
			watch.Stop()
			break
		}
	}
	require.Greater(t, seen, 8)
	p.set(t, 0, write(2, 0))
	require.NotContains(t, p.httpRoute(t).Annotations, "slipway.dev/original-weights")
}

func (p *place) settles(t *testing.T, weight int) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		got, err := p.router.Verify(ctx, p.route, weight)
		if err == nil && !got.Settled {
			err = errors.New(got.Reason)
		}
		return err
	})
}

// says waits until Verify gives this reason.
func (p *place) says(t *testing.T, weight int, reason string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		got, err := p.router.Verify(ctx, p.route, weight)
		if err == nil && (got.Settled || !strings.Contains(got.Reason, reason)) {
			err = fmt.Errorf("settled %t: %s", got.Settled, got.Reason)
		}
		return err
	})
}

func TestAWeightSettlesWhenTheGatewayHasAcceptedIt(t *testing.T) {
	p := open(t, plain)
	p.settles(t, 0)
	p.set(t, 25, write(1, 1))
	p.says(t, 25, "checkout-green") // the Service does not exist yet
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 2))
	p.settles(t, 25)
	p.says(t, 30, "is set to 25 %")
	p.set(t, 0, write(1, 3))
	p.settles(t, 0)
}

func TestARouteOfSeveralGatewaysSettlesWhenAllHaveAcceptedIt(t *testing.T) {
	p := open(t, plain, func(_ *appsv1.Deployment, _ *corev1.Service, r *gatewayv1.HTTPRoute) {
		r.Spec.ParentRefs = append(r.Spec.ParentRefs, parent("elsewhere"))
	})
	p.says(t, 0, "no controller has said anything about HTTPRoute "+p.target.Namespace+"/checkout on Gateway sandbox/elsewhere")
	p.answer(t, metav1.ConditionFalse, 0)
	p.says(t, 0, "example.com/elsewhere: Accepted is False: the listener is full")
	p.answer(t, metav1.ConditionTrue, -1)
	p.says(t, 0, "example.com/elsewhere: has not looked at the present route yet")
	p.answer(t, metav1.ConditionTrue, 0)
	p.settles(t, 0)

	p.answer(t, metav1.ConditionFalse, 0)
	p.editRoute(t, func(r *gatewayv1.HTTPRoute) { r.Spec.ParentRefs = r.Spec.ParentRefs[:1] })
	p.settles(t, 0) // what a gateway says that the route no longer names does not count
}

// answer is what the controller of the gateway "elsewhere" says about a generation of the route.
func (p *place) answer(t *testing.T, status metav1.ConditionStatus, age int64) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		r := p.httpRoute(t)
		said := gatewayv1.RouteParentStatus{ParentRef: parent("elsewhere"), ControllerName: "example.com/elsewhere"}
		for _, kind := range []string{"Accepted", "ResolvedRefs"} {
			said.Conditions = append(said.Conditions, metav1.Condition{
				Type: kind, Status: status, Reason: "Tested", Message: "the listener is full", LastTransitionTime: metav1.Now(), ObservedGeneration: r.Generation + age,
			})
		}
		others := r.Status.Parents[:0]
		for _, s := range r.Status.Parents {
			if s.ControllerName != said.ControllerName {
				others = append(others, s)
			}
		}
		r.Status.Parents = append(others, said)
		_, err := world.Gateways.GatewayV1().HTTPRoutes(p.target.Namespace).UpdateStatus(ctx, r, metav1.UpdateOptions{})
		return err
	})
}
