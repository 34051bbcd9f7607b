// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Editor names who else than Slipway has written a field last, as Kubernetes has noted it: the field manager,
// such as kubectl-edit or argocd-controller, and when, which a scaling does not tell. The path is written as in managedFields without "f:",
// an element of a keyed list as `k:{"name":"shop"}`. Where Kubernetes has noted nobody, it is "somebody".
func Editor(o metav1.Object, path ...string) string {
	out, last := "somebody", time.Time{}
	for _, m := range o.GetManagedFields() {
		if m.Manager == manager || m.FieldsV1 == nil || m.Subresource == "status" {
			continue
		}
		var fields map[string]any
		if json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) != nil || !has(fields, path) {
			continue
		}
		switch {
		case m.Time == nil && last.IsZero():
			out = fmt.Sprintf("somebody (%s)", m.Manager)
		case m.Time != nil && !m.Time.Time.Before(last):
			last = m.Time.Time
			out = fmt.Sprintf("somebody (%s, %s)", m.Manager, last.UTC().Format(time.RFC3339))
		}
	}
	return out
}

// has reports whether a manager has a field, or all of what it is a part of: an atomic list has no parts.
func has(fields map[string]any, path []string) bool {
	for _, p := range path {
		if len(fields) == 0 {
			return true
		}
		next, ok := fields["f:"+p].(map[string]any)
		if !ok {
			next, ok = fields[p].(map[string]any)
		}
		if !ok {
			return false
		}
		fields = next
	}
	return true
}
