// SPDX-License-Identifier: Apache-2.0

package traefik

import (
	"context"
	"fmt"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/traffic/split"
)

// AnnotationMirror holds, while requests are copied, how many are and the entry of the root Service that another
// TraefikService stands in for, as JSON.
const AnnotationMirror = "slipway.dev/mirror"

// maxBody is the largest body of a request that is copied, in bytes. Traefik takes so much memory for every request, also
// for one without a body, until both versions have it.
const maxBody = 64 << 10

var _ split.Copier = kind{}

// CopyFields implements split.Copier: it is the list of backends alone that says it.
func (kind) CopyFields() []string { return nil }

// Uncopyable has nothing against an object that can be shifted.
func (kind) Uncopyable(*unstructured.Unstructured, activities.Route) error { return nil }

// standIn is what AnnotationMirror holds.
type standIn struct {
	Percent int            `json:"percent"`
	Entry   map[string]any `json:"entry"`
}

// mirrorName is the TraefikService that copies.
func mirrorName(o *unstructured.Unstructured) string { return o.GetName() + "-mirror" }

// stands reports whether an entry is the TraefikService that copies.
func stands(entry map[string]any, o *unstructured.Unstructured) bool {
	return split.Text(entry, "kind") == Kinds()[0].Kind && split.Text(entry, "name") == mirrorName(o)
}

// noted is what the owner had written. Where somebody has removed that, it is the Service with its port.
func noted(o *unstructured.Unstructured, route activities.Route) standIn {
	var out standIn
	err := json.Unmarshal([]byte(o.GetAnnotations()[AnnotationMirror]), &out)
	if err != nil || (kind{}).Backend(out.Entry, route.Namespace) != route.Stable {
		return standIn{Percent: 100, Entry: map[string]any{"name": route.Stable, "port": int64(route.Port)}}
	}
	return out
}

// Copied implements split.Copier.
func (k kind) Copied(o *unstructured.Unstructured, route activities.Route) []int {
	for _, rule := range k.Rules(o) {
		for _, entry := range split.Entries(rule.In, rule.Key) {
			switch {
			case stands(entry, o):
				return []int{noted(o, route).Percent}
			case k.Backend(entry, route.Namespace) == route.Stable:
				return []int{0}
			}
		}
	}
	return nil
}

// Copy lets another TraefikService stand in for the entry of the root Service: a list of weights has no mirrors. The
// weight stays what it is.
func (k kind) Copy(o *unstructured.Unstructured, route activities.Route, percent int) error {
	for _, rule := range k.Rules(o) {
		for _, entry := range split.Entries(rule.In, rule.Key) {
			switch {
			case percent == 0 && stands(entry, o):
				exchange(entry, noted(o, route).Entry)
			case percent > 0 && k.Backend(entry, route.Namespace) == route.Stable:
				text, err := json.Marshal(standIn{percent, runtime.DeepCopyJSON(entry)})
				if err != nil {
					return fmt.Errorf("note the entry of Service %s: %w", route.Stable, err)
				}
				note(o, string(text))
				exchange(entry, map[string]any{"kind": Kinds()[0].Kind, "name": mirrorName(o)})
			}
		}
	}
	if percent == 0 {
		note(o, "")
	}
	return nil
}

// exchange writes an entry anew, but for its weight.
func exchange(entry, with map[string]any) {
	weight, weighed := entry["weight"]
	clear(entry)
	maps.Copy(entry, with)
	delete(entry, "weight")
	if weighed {
		entry["weight"] = weight
	}
}

func note(o *unstructured.Unstructured, text string) {
	notes := o.GetAnnotations()
	if text == "" {
		delete(notes, AnnotationMirror)
	} else {
		notes[AnnotationMirror] = text
	}
	o.SetAnnotations(notes)
}

// mirror is the TraefikService that copies.
func (c *Client) mirror(route activities.Route) split.Companion {
	o := kind{}.Object(route)
	o.Name += "-mirror"
	return split.Companion{Objects: c.objects, Namespace: route.Namespace, Object: o}
}

// mirroring is its spec: what the owner wrote of the root Service, and the same for the candidate. Where the candidate's
// Service has an address, copies go there: of pods that are not ready Traefik would make an error of everything.
func mirroring(entry map[string]any, in activities.MirrorIn, addressed bool) map[string]any {
	out := runtime.DeepCopyJSON(entry)
	delete(out, "weight")
	candidate := runtime.DeepCopyJSON(out)
	kind{}.Rename(candidate, in.Route.Candidate)
	candidate["percent"] = int64(in.Percent)
	if addressed {
		candidate["nativeLB"] = true
	}
	out["mirrors"], out["maxBodySize"] = []any{candidate}, int64(maxBody)
	return map[string]any{"mirroring": out}
}

// addressed reports whether the candidate's Service has an address of its own. One that does not exist is a fault.
func (c *Client) addressed(ctx context.Context, route activities.Route) (bool, error) {
	services := c.objects.Resource(schema.GroupVersionResource{Version: "v1", Resource: "services"}).Namespace(route.Namespace)
	o, err := services.Get(ctx, route.Candidate, metav1.GetOptions{})
	if err != nil {
		return false, cluster.Fault(err, fmt.Sprintf("get Service %s/%s", route.Namespace, route.Candidate))
	}
	address, _, err := unstructured.NestedString(o.Object, "spec", "clusterIP")
	return err == nil && address != "" && address != "None", nil
}

// ReadMirror refuses a TraefikService of the mirror's name that somebody else has made.
func (c *Client) ReadMirror(ctx context.Context, route activities.Route) error {
	if err := c.Client.ReadMirror(ctx, route); err != nil {
		return err
	}
	_, err := c.mirror(route).Read(ctx)
	return err
}

// SetMirror makes the TraefikService that copies before it stands in for the root Service, and removes it afterwards.
func (c *Client) SetMirror(ctx context.Context, in activities.MirrorIn) error {
	if in.Percent > 0 {
		if err := c.makeMirror(ctx, in); err != nil {
			return err
		}
	}
	if err := c.Client.SetMirror(ctx, in); err != nil || in.Percent > 0 {
		return err
	}
	return c.mirror(in.Route).Remove(ctx, in.Write)
}

// makeMirror makes nothing for one that is late.
func (c *Client) makeMirror(ctx context.Context, in activities.MirrorIn) error {
	o, err := c.Get(ctx, in.Route)
	if err == nil {
		err = cluster.Stamp(o, in.Write)
	}
	if err != nil {
		return err
	}
	if err := (kind{}).Copy(o, in.Route, 0); err != nil {
		return err
	}
	if err := c.Shiftable(o, in.Route); err != nil {
		return err
	}
	addressed, err := c.addressed(ctx, in.Route)
	if err != nil {
		return err
	}
	want := c.mirror(in.Route).Draft()
	for _, rule := range (kind{}).Rules(o) {
		for _, entry := range split.Entries(rule.In, rule.Key) {
			if (kind{}).Backend(entry, in.Route.Namespace) == in.Route.Stable {
				want.Object["spec"] = mirroring(entry, in, addressed)
			}
		}
	}
	return c.mirror(in.Route).Put(ctx, in.Write, want)
}

// VerifyMirror looks at both objects.
func (c *Client) VerifyMirror(ctx context.Context, route activities.Route, percent int) (activities.Settled, error) {
	s, err := c.Client.VerifyMirror(ctx, route, percent)
	if err != nil || !s.Settled {
		return s, err
	}
	has, err := c.mirror(route).Read(ctx)
	if err != nil {
		return activities.Settled{}, err
	}
	title := c.mirror(route).Title(route.Namespace)
	switch copies := copiesOf(has); {
	case copies == percent && (has == nil) == (percent == 0):
		return s, nil
	case has == nil:
		return activities.Settled{Reason: title + " is gone; somebody has deleted it"}, nil
	default:
		return activities.Settled{Reason: fmt.Sprintf("%s copies %d %% of requests", title, copies)}, nil
	}
}

// copiesOf is the percentage that a mirror copies.
func copiesOf(o *unstructured.Unstructured) int {
	if o == nil {
		return 0
	}
	for _, m := range split.Entries(o.Object, "spec", "mirroring", "mirrors") {
		if n, ok := m["percent"].(int64); ok {
			return int(n)
		}
	}
	return 0
}

// Set takes the mirror along on the way back of a release that copies.
func (c *Client) Set(ctx context.Context, in activities.SetTrafficWeightIn) error {
	if err := c.Client.Set(ctx, in); err != nil || in.Weight > 0 || in.Route.Mirror == 0 {
		return err
	}
	return c.mirror(in.Route).Remove(ctx, in.Write)
}

// Look finds the mirror too.
func (c *Client) Look(ctx context.Context, route activities.Route) (*split.Seen, error) {
	out, err := c.Client.Look(ctx, route)
	if err != nil || out == nil {
		return out, err
	}
	if has, err := c.mirror(route).Read(ctx); has != nil && err == nil { // somebody else's is none of ours
		out.Clear = "delete " + split.Argument(c.mirror(route).Object)
	}
	return out, nil
}
