// SPDX-License-Identifier: Apache-2.0

package split

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Seen is a routed object as it stands, for somebody who is about to restore it.
type Seen struct {
	// Share is what the rules that send to the root Service give to the candidate, such as "50 %".
	Share string `json:"share"`
	// Shared is true where one of them names the candidate, whatever its weight.
	Shared bool `json:"shared"`
	// Undo takes the candidate out, as arguments of kubectl; empty where it is not shared.
	Undo string `json:"undo,omitempty"`
	// Preview is what lets testers in, such as "HTTPRoute checkout-preview"; empty where nothing does. ClosePreview
	// takes it away, as arguments of kubectl.
	Preview      string `json:"preview,omitempty"`
	ClosePreview string `json:"closePreview,omitempty"`
	// Copied is the share of requests of which the candidate gets a copy, such as "100 %"; empty: of none. Undo takes
	// that out too. Clear removes what was made beside the object for it, as arguments of kubectl.
	Copied string `json:"copied,omitempty"`
	Clear  string `json:"clear,omitempty"`
}

// Look returns nil where the object does not exist. It changes nothing.
func (c *Client) Look(ctx context.Context, route activities.Route) (*Seen, error) {
	o, err := c.Get(ctx, route)
	if err != nil && fault.Of(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := &Seen{}
	restored := o.DeepCopy()
	if n := c.copied(o, route); n > 0 {
		out.Copied = fmt.Sprintf("%d %%", n)
	}
	if err := c.uncopy(restored, route); err != nil {
		return nil, err
	}
	var parts []string
	for _, s := range c.shares(restored, route) {
		out.Shared = out.Shared || s.shared
		parts = append(parts, s.String())
	}
	out.Share = strings.Join(slices.Compact(parts), ", ")
	if len(parts) == 0 || c.takeOut(restored, route) != nil {
		return out, nil
	}
	out.Undo, err = c.Patch(o, restored, route)
	return out, err
}

// Patch are the arguments of kubectl that change the rules of one object into those of another, which has as
// many; empty where none differs.
func (c *Client) Patch(from, to *unstructured.Unstructured, route activities.Route) (string, error) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value,omitempty"`
	}
	var all []operation
	before := c.kind.Rules(from)
	for i, rule := range c.kind.Rules(to) {
		if !equality.Semantic.DeepEqual(rule.In[rule.Key], before[i].In[before[i].Key]) {
			all = append(all, operation{"replace", rule.Pointer, rule.In[rule.Key]})
		}
		for _, field := range c.copyFields() {
			at := strings.TrimSuffix(rule.Pointer, rule.Key) + field
			was, is := before[i].In[field], rule.In[field]
			switch {
			case equality.Semantic.DeepEqual(was, is):
			case is == nil:
				all = append(all, operation{Op: "remove", Path: at})
			default:
				all = append(all, operation{"replace", at, is})
			}
		}
	}
	if at := c.stuckAt(from); at != nil && c.stuckAt(to) == nil {
		all = append(all, operation{Op: "remove", Path: "/" + strings.Join(at, "/")})
	}
	if len(all) == 0 {
		return "", nil
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("write patch of %s: %w", c.title(route), err)
	}
	return fmt.Sprintf("patch %s --type=json -p %s", Argument(c.kind.Object(route)), Quote(string(text))), nil
}

func (c *Client) copyFields() []string {
	if kind, ok := c.kind.(Copier); ok {
		return kind.CopyFields()
	}
	return nil
}

// Argument names an object to kubectl.
func Argument(o Object) string { return strings.ToLower(o.Kind) + "/" + o.Name }

// Quote makes one argument of a text, for a POSIX shell.
func Quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// Recall finds the safe state of a Deployment on an object that is being shifted. None is a fault of kind
// NotFound.
func Recall(ctx context.Context, objects dynamic.Interface, kind Object, namespace, deployment string) (cluster.Recalled, error) {
	none := fault.New(fault.NotFound, "no %s of %s has a record of Deployment %s", kind.Kind, namespace, deployment)
	all, err := objects.Resource(kind.Resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if Unserved(err) {
		return cluster.Recalled{}, none
	}
	if err != nil {
		return cluster.Recalled{}, cluster.Fault(err, fmt.Sprintf("list %s of %s", kind.Resource.Resource, namespace))
	}
	for i := range all.Items {
		if s, ok := cluster.Kept(&all.Items[i], deployment); ok {
			return cluster.Recalled{Safe: s, From: fmt.Sprintf("%s %s/%s", kind.Kind, namespace, all.Items[i].GetName())}, nil
		}
	}
	return cluster.Recalled{}, none
}
