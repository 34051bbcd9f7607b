// SPDX-License-Identifier: Apache-2.0

package split

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/activities"
)

// Object is what a plan routes by.
type Object struct {
	Resource schema.GroupVersionResource
	// Kind and Name such as HTTPRoute and checkout.
	Kind, Name string
	// Field of the plan that names it.
	Field string
}

// Title names the object in messages.
func (o Object) Title(namespace string) string {
	return fmt.Sprintf("%s %s/%s", o.Kind, namespace, o.Name)
}

// Kind is one kind of object that sends requests to weighed backends.
type Kind interface {
	// Object is the one that the route names.
	Object(activities.Route) Object
	// Rules are the lists of backends of an object, in their order.
	Rules(*unstructured.Unstructured) []Rule
	// Backend is what an entry sends to: the mere name of a Service of the namespace; of anything else its
	// description, which is no such name.
	Backend(entry map[string]any, namespace string) string
	// Rename makes an entry send to another Service of the same namespace.
	Rename(entry map[string]any, service string)
	// Absent is the weight of an entry that has none and stands beside others.
	Absent() int64
	// Refuse says why an object cannot be shifted, beyond what is true of every kind.
	Refuse(*unstructured.Unstructured, activities.Route) error
	// Unsettled is why the router does not serve the present generation of an object; empty where it does, and
	// where this kind of router says nothing about it.
	Unsettled(*unstructured.Unstructured) string
}

// Sticker is a kind whose object can keep a client on the version that it got first.
type Sticker interface {
	// Sticky is the field of an object that says so, and what it says for a cookie.
	Sticky(cookie string) (path []string, value map[string]any)
}

// Rule is one list of backends. It refers into its object: what is put here stands there.
type Rule struct {
	// In has the list under Key. Pointer is the list's JSON pointer.
	In           map[string]any
	Key, Pointer string
}

// Lists are the lists under key in each element of the list at a path, such as backendRefs in spec.rules.
func Lists(o *unstructured.Unstructured, key string, path ...string) []Rule {
	var out []Rule
	var pointer strings.Builder
	for _, p := range path {
		pointer.WriteString("/" + p)
	}
	for i, in := range Entries(o.Object, path...) {
		out = append(out, Rule{In: in, Key: key, Pointer: fmt.Sprintf("%s/%d/%s", pointer.String(), i, key)})
	}
	return out
}

// Entries are the objects of the list at a path, not copied.
func Entries(in map[string]any, path ...string) []map[string]any {
	value, found, err := unstructured.NestedFieldNoCopy(in, path...)
	all, ok := value.([]any)
	if !found || !ok || err != nil {
		return nil
	}
	var out []map[string]any
	for _, one := range all {
		if entry, ok := one.(map[string]any); ok {
			out = append(out, entry)
		}
	}
	return out
}

// Leading are the rules of an object that send to the root Service, each with its first entry that does. Neither is a
// copy.
func Leading(k Kind, o *unstructured.Unstructured, route activities.Route) (rules, entries []map[string]any) {
	for _, r := range k.Rules(o) {
		all := r.entries()
		at := slices.IndexFunc(all, func(e map[string]any) bool { return k.Backend(e, route.Namespace) == route.Stable })
		if at >= 0 {
			rules, entries = append(rules, r.In), append(entries, all[at])
		}
	}
	return rules, entries
}

func (r Rule) entries() []map[string]any { return Entries(r.In, r.Key) }

func (r Rule) put(entries ...map[string]any) {
	list := make([]any, 0, len(entries))
	for _, e := range entries {
		list = append(list, e)
	}
	r.In[r.Key] = list
}

// Text is a field of an entry; empty where it is not there.
func Text(entry map[string]any, field string) string {
	s, _ := entry[field].(string)
	return s
}

// number is a whole number as JSON decodes it.
func number(value any) (int64, bool) {
	switch n := value.(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), n == float64(int64(n))
	}
	return 0, false
}
