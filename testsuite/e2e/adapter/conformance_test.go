// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
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
	all, err := b.objects.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, all.Items, 1, "only the team's object is left")
}

func TestEveryRouter(t *testing.T) {
	for name, s := range subjects() {
		t.Run(name, func(t *testing.T) {
			for check, run := range kit() {
				t.Run(check, func(t *testing.T) { run(t, on(t, s)) })
			}
			if !s.beside {
				for check, run := range ownObjectKit() {
					t.Run(check, func(t *testing.T) { run(t, on(t, s)) })
				}
			}
		})
	}
}

// kit is what is true of every router in front of a Service.
func kit() map[string]func(*testing.T, *bench) {
	return map[string]func(*testing.T, *bench){
		"writes every weight, reads it back, and leaves everything else as it is":            everyWeight,
		"refuses a weight outside 0 to 100":                                                  outside,
		"leaves no trace at 0, also where nothing was shifted":                               noTrace,
		"refuses late writes":                                                                late,
		"keeps a sum of 100 in every observation, whoever writes":                            observedSums,
		"survives that its object is applied anew in the middle":                             reapplied,
		"refuses an object that is not there, or goes in the middle":                         missing,
		"refuses an object that sends nothing to the Service":                                elsewhere,
		"refuses a namespace that is going":                                                  terminating,
		"refuses a cluster without its kind":                                                 unserved,
		"lets testers in where it says so, and refuses them with a reason where it does not": testers,
		"is restored by what a rescue prints":                                                restored,
		"keeps a client on a version where it says so, and refuses to where it does not":     sticky,
	}
}

func everyWeight(t *testing.T, b *bench) {
	got, err := b.router.Read(t.Context(), b.route)
	require.NoError(t, err)
	require.Zero(t, got)
	for i, weight := range []int{1, 5, 20, 33, 50, 99, 100, 70, 1} {
		b.set(t, weight, write(1, int64(i)))
		for _, pair := range b.observed(t) {
			require.Equal(t, [2]int64{int64(100 - weight), int64(weight)}, pair)
		}
		require.Empty(t, cmp.Diff(b.original.Object["spec"], b.withoutCandidate(b.get(t))))
		settled, err := b.router.Verify(t.Context(), b.route, weight+1)
		require.NoError(t, err)
		require.False(t, settled.Settled, "another weight is not read back")
		require.Contains(t, settled.Reason, fmt.Sprintf("%d %%", weight))
	}
	b.set(t, 0, write(1, 100))
	b.clean(t)
}

func outside(t *testing.T, b *bench) {
	for _, weight := range []int{-1, 101} {
		err := b.try(t.Context(), weight, write(1, 1))
		require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	}
	b.clean(t)
}

func noTrace(t *testing.T, b *bench) {
	b.set(t, 0, write(1, 1))
	b.clean(t)
	b.set(t, 60, write(1, 2))
	for range 2 {
		b.set(t, 0, write(1, 3))
		b.clean(t)
	}
	_, err := b.router.Read(t.Context(), b.route)
	require.NoError(t, err)
}

func late(t *testing.T, b *bench) {
	refused := func(step int64) {
		t.Helper()
		before := b.observed(t)
		for _, w := range []activities.Write{write(1, 99), write(2, step-1)} {
			for _, weight := range []int{0, 50} {
				err := b.try(t.Context(), weight, w)
				require.Equal(t, fault.Fenced, fault.Of(err), "%v", err)
			}
		}
		require.Equal(t, before, b.observed(t))
	}
	b.set(t, 20, write(2, 5))
	refused(5)
	b.set(t, 0, write(2, 6))
	refused(6)
	b.clean(t)
}

func observedSums(t *testing.T, b *bench) {
	b.set(t, 1, write(1, 0))
	watch, err := b.objects.Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	done := make(chan error, 4)
	for step := range 4 {
		go func() {
			var last error
			for weight := step + 1; weight <= 100; weight += 9 {
				err := b.try(t.Context(), weight, write(1, int64(step)))
				if kind := fault.Of(err); err != nil && kind != fault.Fenced && kind != fault.Unavailable && kind != fault.Edited {
					last = err
				}
			}
			done <- last
		}()
	}
	for range 4 {
		require.NoError(t, <-done)
	}
	b.set(t, 0, write(2, 0))
	end, seen := b.get(t).GetResourceVersion(), 0
	for event := range watch.ResultChan() {
		o, ok := event.Object.(*unstructured.Unstructured)
		require.True(t, ok)
		pairs := [][2]int64{}
		if !b.beside {
			pairs = b.weights(o.Object)
		} else if o.GetName() != b.object.Name {
			pairs = beside(t, o)
		}
		for _, pair := range pairs {
			require.EqualValues(t, 100, pair[0]+pair[1])
			require.Equal(t, pairs[0], pair, "all lists have one weight")
		}
		if seen++; o.GetResourceVersion() == end {
			watch.Stop()
			break
		}
	}
	require.Greater(t, seen, 4)
	b.clean(t)
}

func reapplied(t *testing.T, b *bench) {
	b.set(t, 20, write(1, 1))
	b.apply(t)
	err := b.try(t.Context(), 30, write(1, 2))
	if b.beside {
		require.NoError(t, err, "the team's object has no weight in it")
	} else {
		require.Equal(t, fault.Edited, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, gitops)
		require.Empty(t, cmp.Diff(b.original.Object["spec"], b.get(t).Object["spec"]), "nothing is overwritten")
		require.NoError(t, b.router.Set(t.Context(), activities.SetTrafficWeightIn{Write: write(1, 3), Route: b.route, Weight: 30, TakeBack: true}))
	}
	require.Equal(t, [2]int64{70, 30}, b.observed(t)[0])
	b.apply(t)
	b.set(t, 0, write(1, 4))
	b.clean(t)
}

func missing(t *testing.T, b *bench) {
	b.set(t, 20, write(1, 1))
	require.NoError(t, b.objects.Delete(t.Context(), b.object.Name, metav1.DeleteOptions{}))
	_, err := b.router.Read(t.Context(), b.route)
	for _, err := range []error{err, b.try(t.Context(), 30, write(1, 2)), b.try(t.Context(), 0, write(1, 3))} {
		require.Equal(t, fault.NotFound, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, fmt.Sprintf("%s %s/checkout does not exist; create it, or correct %s", b.object.Kind, b.namespace, b.object.Field))
	}
	_, err = b.router.Verify(t.Context(), b.route, 20)
	require.Equal(t, fault.NotFound, fault.Of(err), "%v", err)
}

func elsewhere(t *testing.T, b *bench) {
	b.route.Stable = "till"
	_, err := b.router.Read(t.Context(), b.route)
	for _, err := range []error{err, b.try(t.Context(), 30, write(1, 2))} {
		require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, "sends nothing to Service till (it names: ")
		require.ErrorContains(t, err, "or spec.target.service")
	}
	b.clean(t)
}

// terminating holds the namespace by a finalizer while everything in it is deleted.
func terminating(t *testing.T, b *bench) {
	b.edit(t, b.object.Name, func(o map[string]any) {
		o["metadata"].(map[string]any)["finalizers"] = []any{"example.com/held"}
	})
	require.NoError(t, world.Kube.CoreV1().Namespaces().Delete(t.Context(), b.namespace, metav1.DeleteOptions{}))
	eventually(t, func(ctx context.Context) error {
		o, err := b.objects.Get(ctx, b.object.Name, metav1.GetOptions{})
		if err == nil && o.GetDeletionTimestamp() == nil {
			err = fmt.Errorf("%s is not being deleted yet", b.object.Name)
		}
		return err
	})
	_, err := b.router.Read(t.Context(), b.route)
	require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "is being deleted; wait until it is gone, create it anew, then release again")
	if b.beside {
		err = b.try(t.Context(), 30, write(1, 2))
		require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, "the namespace is being deleted")
	}
	b.edit(t, b.object.Name, func(o map[string]any) {
		delete(o["metadata"].(map[string]any), "finalizers")
	})
}

// unserved asks the API server for a version that it does not have, as where the definitions are missing or
// of another release.
func unserved(t *testing.T, b *bench) {
	config := workerConfig(t)
	at := "/" + b.object.Resource.Group + "/"
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return transportFunc(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.URL.Path = strings.Replace(r.URL.Path, at+b.object.Resource.Version, at+"v0", 1)
			return next.RoundTrip(r)
		})
	})
	objects, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	b.use(t, router.All(nil, objects))
	_, err = b.router.Read(t.Context(), b.route)
	for _, err := range []error{err, b.try(t.Context(), 30, write(1, 2))} {
		require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, "the cluster does not serve ")
		require.ErrorContains(t, err, " in "+b.object.Resource.GroupVersion().String()+"; install its CustomResourceDefinitions")
	}
	b.clean(t)
}

func testers(t *testing.T, b *bench) {
	can, _ := b.route.Traffic.Router()
	b.route.Testers = &plan.Testers{Header: &plan.Header{Name: "X-Preview", Value: "green"}}
	_, err := b.traffic.InspectRoute(t.Context(), b.route)
	if !can.Header {
		require.ErrorContains(t, err, "cannot tell the requests of testers from others")
		b.clean(t)
		return
	}
	require.NoError(t, err)
	door, ok := b.router.(activities.Previewer)
	require.True(t, ok)
	in := func(step int64) activities.PreviewIn {
		return activities.PreviewIn{Write: write(1, step), Route: b.route}
	}
	for _, mark := range []plan.Testers{*b.route.Testers, {Cookie: &plan.Cookie{Name: "canary", Value: "always"}}} {
		b.route.Testers = &mark
		step := int64(1)
		if mark.Cookie != nil {
			step = 10
		}
		require.NoError(t, door.OpenPreview(t.Context(), in(step)))
		require.NoError(t, door.OpenPreview(t.Context(), in(step)), "once more changes nothing")
		require.True(t, b.mentions(t, "green", "always"), "the mark is in an object")
		for _, pair := range b.observed(t) {
			require.Equal(t, [2]int64{100, 0}, pair, "nobody else is sent to the candidate")
		}
		b.set(t, 20, write(1, step+1))
		require.Equal(t, [2]int64{80, 20}, b.observed(t)[0])
		b.set(t, 0, write(1, step+2))
		require.True(t, b.mentions(t, "green", "always"), "testers are still let in")
		require.Equal(t, fault.Fenced, fault.Of(door.OpenPreview(t.Context(), in(step))))
		for range 2 {
			require.NoError(t, door.ClosePreview(t.Context(), in(step+3)))
		}
		b.clean(t)
		require.NoError(t, door.OpenPreview(t.Context(), in(step+4)))
		b.set(t, 20, write(1, step+5))
		require.NoError(t, door.ClosePreview(t.Context(), in(step+6)))
		require.Equal(t, [2]int64{80, 20}, b.observed(t)[0], "the weight stays")
		b.set(t, 0, write(1, step+7))
		b.clean(t)
	}
	b.route.Testers = &plan.Testers{Cookie: &plan.Cookie{Name: "canary", Value: "always"}}
	require.NoError(t, door.OpenPreview(t.Context(), in(30)))
	b.set(t, 20, write(1, 31))
	b.byHand(t)
	require.Empty(t, cmp.Diff(b.original.Object["spec"], b.get(t).Object["spec"]))
	b.set(t, 0, write(1, 32))
	require.NoError(t, door.ClosePreview(t.Context(), in(33)))
	b.clean(t)
}

// mentions reports whether one of the objects has a header's or a cookie's value in it that testers send.
func (b *bench) mentions(t *testing.T, header, cookie string) bool {
	t.Helper()
	all, err := b.objects.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for i := range all.Items {
		o := runtime.DeepCopyJSON(all.Items[i].Object)
		notes := all.Items[i].GetAnnotations()
		maps.DeleteFunc(notes, func(k, _ string) bool { return !strings.HasPrefix(k, "nginx.") })
		text, err := yaml.Marshal([]any{o["spec"], notes})
		require.NoError(t, err)
		want, name := header, "X-Preview"
		if b.route.Testers.Cookie != nil {
			want, name = cookie, "canary"
		}
		if s := strings.ToLower(string(text)); strings.Contains(s, strings.ToLower(name)) && (strings.Contains(s, want) || b.beside) {
			return true
		}
	}
	return false
}

func restored(t *testing.T, b *bench) {
	safe := activities.SafeState{
		Version: activities.SafeStateVersion, ReleaseID: "release-1", Lane: "test/checkout", Recorded: time.Now().UTC(), Route: b.route,
		Target: plan.Target{Namespace: b.namespace, Deployment: "checkout", Service: "checkout"},
		Tracks: activities.Tracks{Stable: "checkout", StableImage: "shop:v1", StableSelector: map[string]string{"app": "checkout"}, Candidate: "checkout-green"},
	}
	require.NoError(t, b.router.Set(t.Context(), activities.SetTrafficWeightIn{Write: write(1, 1), Route: b.route, Weight: 40, Safe: &safe}))
	found, err := router.Recall(t.Context(), world.Objects, b.namespace, "checkout")
	require.NoError(t, err)
	require.Equal(t, safe.ReleaseID, found.Safe.ReleaseID)
	require.Equal(t, fmt.Sprintf("%s %s/checkout", b.object.Kind, b.namespace), found.From)
	looker := b.router.(router.Restorer)
	seen, err := looker.Look(t.Context(), b.route)
	require.NoError(t, err)
	require.Equal(t, "40 %", seen.Share)
	require.True(t, seen.Shared)
	b.byHand(t)
	require.Empty(t, cmp.Diff(b.original.Object["spec"], b.get(t).Object["spec"]))
	b.set(t, 0, write(1, 2))
	b.clean(t)
}

// byHand does what a rescue tells a person to type.
func (b *bench) byHand(t *testing.T) {
	t.Helper()
	seen, err := b.router.(router.Restorer).Look(t.Context(), b.route)
	require.NoError(t, err)
	for _, arguments := range []string{seen.Undo, seen.ClosePreview} {
		switch verb, rest, _ := strings.Cut(arguments, " "); verb {
		case "patch":
			_, err := b.objects.Patch(t.Context(), b.object.Name, types.JSONPatchType, patchOf(t, rest), metav1.PatchOptions{})
			require.NoError(t, err)
		case "delete":
			_, name, _ := strings.Cut(rest, "/")
			err := b.objects.Delete(t.Context(), name, metav1.DeleteOptions{})
			if !apierrors.IsNotFound(err) {
				require.NoError(t, err)
			}
		default:
			require.Empty(t, arguments)
		}
	}
}

// ownObjectKit is what is true where the weights stand in the team's own object.
func ownObjectKit() map[string]func(*testing.T, *bench) {
	return map[string]func(*testing.T, *bench){
		"names who has set other weights, and the way back is open": edited,
		"refuses a third backend and a Service named twice":         thirds,
		"refuses an object that somebody sends to the candidate":    occupied,
	}
}

// first is the first list that sends to the root Service.
func (b *bench) first(o map[string]any) list {
	for _, l := range b.lists(o) {
		for _, e := range l.entries() {
			if b.host(e) == "checkout" {
				return l
			}
		}
	}
	return list{}
}

func edited(t *testing.T, b *bench) {
	b.set(t, 20, write(1, 1))
	b.edit(t, b.object.Name, func(o map[string]any) {
		for i, e := range b.first(o).entries() {
			e["weight"] = []int64{8, 3}[i]
		}
	})
	before := b.get(t)
	err := b.try(t.Context(), 30, write(1, 2))
	require.Equal(t, fault.Edited, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "somebody (kubectl-edit, ")
	require.ErrorContains(t, err, "to 3 parts of 11 since Slipway set it to 20 % (spec.")
	require.Empty(t, cmp.Diff(before.Object["spec"], b.get(t).Object["spec"]))
	require.NoError(t, b.router.Set(t.Context(), activities.SetTrafficWeightIn{Write: write(1, 3), Route: b.route, Weight: 20, TakeBack: true}))
	require.Equal(t, [2]int64{80, 20}, b.observed(t)[0])
	b.edit(t, b.object.Name, func(o map[string]any) { b.first(o).entries()[1]["weight"] = int64(90) })
	b.set(t, 0, write(1, 4))
	b.clean(t)
}

func thirds(t *testing.T, b *bench) {
	for text, name := range map[string]string{
		"sends to Service till in the same rule as to checkout": "till", "names a Service twice in the rule that sends to checkout": "checkout",
	} {
		b.edit(t, b.object.Name, func(o map[string]any) {
			l := b.first(o)
			third := runtime.DeepCopyJSON(l.entries()[0])
			b.rename(third, name)
			third["weight"] = int64(1)
			l.entries()[0]["weight"] = int64(1)
			l.in[l.key] = append(l.in[l.key].([]any), third)
		})
		before := b.get(t)
		_, err := b.router.Read(t.Context(), b.route)
		for _, err := range []error{err, b.try(t.Context(), 30, write(1, 2))} {
			require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
			require.ErrorContains(t, err, text)
		}
		require.Empty(t, cmp.Diff(before.Object["spec"], b.get(t).Object["spec"]))
		b.apply(t)
	}
}

// rename makes an entry send elsewhere, whichever field says so.
func (b *bench) rename(entry map[string]any, name string) {
	if to, ok := entry["destination"].(map[string]any); ok {
		to["host"] = name
		return
	}
	entry["name"] = name
}

func occupied(t *testing.T, b *bench) {
	b.edit(t, b.object.Name, func(o map[string]any) {
		l := b.first(o)
		second := runtime.DeepCopyJSON(l.entries()[0])
		b.rename(second, "checkout-green")
		l.entries()[0]["weight"], second["weight"] = int64(70), int64(30)
		l.in[l.key] = append(l.in[l.key].([]any), second)
	})
	_, err := b.router.Read(t.Context(), b.route)
	require.Equal(t, fault.Edited, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "sends 30 % to Service checkout-green already; was a release ended by force? Take that backend out, then release again")
}

func sticky(t *testing.T, b *bench) {
	can, _ := b.route.Traffic.Router()
	b.route.Sticky = "version"
	_, err := b.traffic.InspectRoute(t.Context(), b.route)
	if !can.Sticky {
		require.ErrorContains(t, err, "this router cannot keep a client on the version that it got first; leave sticky out, or name one that can: traffic.")
		b.clean(t)
		return
	}
	require.ErrorContains(t, err, "keeps clients on one version already, as its owner wrote it; leave sticky out of the plan")
	b.edit(t, b.object.Name, func(o map[string]any) { unstructured.RemoveNestedField(o, "spec", "weighted", "sticky") })
	b.original = b.get(t)
	_, err = b.traffic.InspectRoute(t.Context(), b.route)
	require.NoError(t, err)
	cookie := func() string {
		name, _, err := unstructured.NestedString(b.get(t).Object, "spec", "weighted", "sticky", "cookie", "name")
		require.NoError(t, err)
		return name
	}
	for _, weight := range []int{20, 50} {
		b.set(t, weight, write(1, int64(weight)))
		require.Equal(t, "version", cookie())
	}
	b.byHand(t)
	b.set(t, 0, write(1, 60))
	b.clean(t)
	b.set(t, 20, write(1, 61))
	b.set(t, 0, write(1, 62))
	b.clean(t)
}
