// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/router"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func testers(t *testing.T, b *bench) {
	can, _ := b.route.Traffic.Router()
	b.route.Testers = &plan.Testers{Header: &plan.Header{Name: "X-Preview", Value: "green"}}
	err := b.traffic.Routers.Inspect(t.Context(), b.route)
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
	for _, arguments := range []string{seen.Undo, seen.Clear, seen.ClosePreview} {
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

func sticky(t *testing.T, b *bench) {
	can, _ := b.route.Traffic.Router()
	b.route.Sticky = "version"
	err := b.traffic.Routers.Inspect(t.Context(), b.route)
	if !can.Sticky {
		require.ErrorContains(t, err, "this router cannot keep a client on the version that it got first; leave sticky out, or name one that can: traffic.")
		b.clean(t)
		return
	}
	require.ErrorContains(t, err, "keeps clients on one version already, as its owner wrote it; leave sticky out of the plan")
	b.edit(t, b.object.Name, func(o map[string]any) { unstructured.RemoveNestedField(o, "spec", "weighted", "sticky") })
	b.original = b.get(t)
	err = b.traffic.Routers.Inspect(t.Context(), b.route)
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
