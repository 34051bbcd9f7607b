// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/router"
)

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
		"refuses writes that come late":                                                      late,
		"keeps a sum of 100 in every observation, whoever writes":                            observedSums,
		"survives that its object is applied anew in the middle":                             reapplied,
		"refuses an object that is not there, or goes in the middle":                         missing,
		"refuses an object that sends nothing to the Service":                                elsewhere,
		"refuses a namespace that is going":                                                  terminating,
		"refuses a cluster without its kind":                                                 unserved,
		"lets testers in where it says so, and refuses them with a reason where it does not": testers,
		"is restored by what a rescue prints":                                                restored,
		"keeps a client on a version where it says so, and refuses to where it does not":     sticky,
		"copies requests where it says so, and refuses to where it does not":                 mirror,
		"leaves no copies behind, however they end":                                          mirrorEnds,
		"refuses to copy beside what the owner copies":                                       mirrored,
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
	scales, ok := b.router.(activities.Weigher)
	require.True(t, ok)
	require.NoError(t, scales.Untouched(t.Context(), b.route, 20))
	b.apply(t)
	seen := scales.Untouched(t.Context(), b.route, 20)
	err := b.try(t.Context(), 30, write(1, 2))
	if b.beside {
		require.NoError(t, errors.Join(err, seen), "the team's object has no weight in it")
	} else {
		require.Error(t, seen)
		require.ErrorContains(t, err, seen.Error(), "a watch sees what a write would meet")
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
