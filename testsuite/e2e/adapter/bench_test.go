// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/traffic/router"
	"github.com/slipwayhq/slipway/activities/traffic/split"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// gitops is the field manager of a tool that applies what stands in a repository.
const gitops = "argocd-controller"

// subject is a kind of router as the conformance kit sees it: what a team writes for it, and how its weights
// are read without the adapter.
type subject struct {
	traffic plan.Traffic
	// owners is the team's object, in YAML, with everything in it that must stay as it is.
	owners string
	// lists are the lists of backends of an object, host what an entry sends to.
	lists func(o map[string]any) []list
	host  func(entry map[string]any) string
	// beside is true where the weight stands in a second object beside the team's.
	beside bool
	// prepare makes what the router needs; nil: nothing.
	prepare func(*testing.T)
}

// list is one list of backends: in[key].
type list struct {
	in  map[string]any
	key string
}

func (l list) entries() []map[string]any { return split.Entries(l.in, l.key) }

// bench is a namespace with the team's object of one subject.
type bench struct {
	subject
	object    split.Object
	namespace string
	router    activities.Router
	traffic   *activities.Traffic
	route     activities.Route
	objects   dynamic.ResourceInterface
	original  *unstructured.Unstructured
}

// on makes a place for a router, with exactly the worker's rights.
func on(t *testing.T, s subject) *bench {
	t.Helper()
	if s.prepare != nil {
		s.prepare(t)
	}
	named, _ := s.traffic.Router()
	b := &bench{subject: s, namespace: fmt.Sprintf("%s-%d", strings.ToLower(named.Name), places.Add(1))}
	_, err := world.Kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: b.namespace}}, metav1.CreateOptions{})
	require.NoError(t, err)
	b.object, _ = router.Object(s.traffic)
	b.objects = world.Objects.Resource(b.object.Resource).Namespace(b.namespace)
	b.apply(t)
	b.original = b.get(t)
	config := workerConfig(t)
	kube, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	objects, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	b.use(t, router.All(kube, objects))
	b.route = activities.Route{Namespace: b.namespace, Traffic: s.traffic, Stable: "checkout", Candidate: "checkout-green", Port: 80}
	return b
}

func (b *bench) use(t *testing.T, all activities.Routers) {
	t.Helper()
	var err error
	b.router, err = all.Of(b.subject.traffic)
	require.NoError(t, err)
	b.traffic = &activities.Traffic{Routers: all}
}

// apply does what a GitOps tool does, again and again.
func (b *bench) apply(t *testing.T) {
	t.Helper()
	o := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte(b.owners), &o.Object))
	_, err := b.objects.Apply(t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: gitops, Force: true})
	require.NoError(t, err)
}

func (b *bench) get(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	o, err := b.objects.Get(t.Context(), b.object.Name, metav1.GetOptions{})
	require.NoError(t, err)
	return o
}

// edit is a person's hand on an object.
func (b *bench) edit(t *testing.T, name string, change func(o map[string]any)) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		o, err := b.objects.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(o.Object)
		_, err = b.objects.Update(ctx, o, metav1.UpdateOptions{FieldManager: "kubectl-edit"})
		return err
	})
}

func (b *bench) try(ctx context.Context, weight int, w activities.Write) error {
	return b.router.Set(ctx, activities.SetTrafficWeightIn{Write: w, Route: b.route, Weight: weight})
}

func (b *bench) set(t *testing.T, weight int, w activities.Write) {
	t.Helper()
	require.NoError(t, b.try(t.Context(), weight, w))
}

// weights are what stable and the candidate get in every list that sends to the root Service.
func (b *bench) weights(o map[string]any) [][2]int64 {
	var out [][2]int64
	for _, l := range b.lists(o) {
		pair, own, shared := [2]int64{}, false, false
		for _, e := range l.entries() {
			n, _ := e["weight"].(int64)
			switch b.host(e) {
			case "checkout":
				pair[0], own = n, true
			case "checkout-green":
				pair[1], shared = n, true
			}
		}
		if own && !shared {
			pair = [2]int64{100, 0}
		}
		if own {
			out = append(out, pair)
		}
	}
	return out
}

// observed are the weights as the API server has them.
func (b *bench) observed(t *testing.T) [][2]int64 {
	t.Helper()
	if !b.beside {
		return b.weights(b.get(t).Object)
	}
	o, err := b.objects.Get(t.Context(), "checkout-canary", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return [][2]int64{{100, 0}}
	}
	require.NoError(t, err)
	return beside(t, o)
}

// beside is the weight of a second Ingress.
func beside(t *testing.T, o *unstructured.Unstructured) [][2]int64 {
	t.Helper()
	var w int64
	_, err := fmt.Sscan(o.GetAnnotations()["nginx.ingress.kubernetes.io/canary-weight"], &w)
	require.NoError(t, err)
	return [][2]int64{{100 - w, w}}
}

// withoutCandidate is the team's object with the candidate taken out by hand, and the weights as they were.
func (b *bench) withoutCandidate(o *unstructured.Unstructured) any {
	o = o.DeepCopy()
	before := b.lists(b.original.Object)
	for i, l := range b.lists(o.Object) {
		var kept []any
		for j, e := range l.entries() {
			if b.host(e) == "checkout-green" {
				continue
			}
			if w, ok := before[i].entries()[j]["weight"]; ok {
				e["weight"] = w
			} else {
				delete(e, "weight")
			}
			kept = append(kept, e)
		}
		l.in[l.key] = kept
	}
	return o.Object["spec"]
}

// clean finds nothing left in the namespace but what the team has made, as it has made it.
func (b *bench) clean(t *testing.T) {
	t.Helper()
	require.Empty(t, cmp.Diff(b.original.Object["spec"], b.get(t).Object["spec"]))
	require.NotContains(t, b.get(t).GetAnnotations(), "slipway.dev/original-weights")
	require.NotContains(t, b.get(t).GetAnnotations(), "slipway.dev/safe-state")
	require.NotContains(t, b.get(t).GetAnnotations(), "slipway.dev/mirror")
	all, err := b.objects.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, all.Items, 1, "only the team's object is left")
}
