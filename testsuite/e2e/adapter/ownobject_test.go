// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

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
