// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities/cluster"
)

func TestTheEditorOfAFieldIsTheLastManagerThatIsNotSlipway(t *testing.T) {
	at := time.Date(2030, 1, 1, 10, 0, 0, 0, time.UTC)
	entry := func(manager, subresource, fields string, age time.Duration) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Manager: manager, Subresource: subresource, Time: new(metav1.NewTime(at.Add(-age))), FieldsV1: metav1.NewFieldsV1(fields),
		}
	}
	timeless := entry("kubectl", "scale", `{"f:spec":{"f:replicas":{}}}`, 0)
	timeless.Time = nil
	list := `{"f:spec":{"f:rules":{}}}`
	for name, c := range map[string]struct {
		entries []metav1.ManagedFieldsEntry
		path    []string
		want    string
	}{
		"nobody is noted":                          {nil, []string{"spec"}, "somebody"},
		"Slipway itself is nobody else":            {[]metav1.ManagedFieldsEntry{entry("slipway", "", list, 0)}, []string{"spec", "rules"}, "somebody"},
		"an atomic list has no parts":              {[]metav1.ManagedFieldsEntry{entry("kubectl-edit", "", list, 0)}, []string{"spec", "rules", "0", "backendRefs"}, "somebody (kubectl-edit, 2030-01-01T10:00:00Z)"},
		"another field is another matter":          {[]metav1.ManagedFieldsEntry{entry("kubectl-edit", "", list, 0)}, []string{"spec", "hostnames"}, "somebody"},
		"the last of two":                          {[]metav1.ManagedFieldsEntry{entry("helm", "", list, time.Hour), entry("argocd-controller", "", list, time.Minute)}, []string{"spec", "rules"}, "somebody (argocd-controller, 2030-01-01T09:59:00Z)"},
		"a status is written by controllers":       {[]metav1.ManagedFieldsEntry{entry("traefik", "status", `{"f:spec":{}}`, 0)}, []string{"spec"}, "somebody"},
		"a scaling is noted without its time":      {[]metav1.ManagedFieldsEntry{timeless}, []string{"spec", "replicas"}, "somebody (kubectl)"},
		"an element of a keyed list":               {[]metav1.ManagedFieldsEntry{entry("kubectl-set", "", `{"f:spec":{"f:containers":{"k:{\"name\":\"shop\"}":{"f:image":{}}}}}`, 0)}, []string{"spec", "containers", `k:{"name":"shop"}`, "image"}, "somebody (kubectl-set, 2030-01-01T10:00:00Z)"},
		"another element is another matter":        {[]metav1.ManagedFieldsEntry{entry("kubectl-set", "", `{"f:spec":{"f:containers":{"k:{\"name\":\"shop\"}":{"f:image":{}}}}}`, 0)}, []string{"spec", "containers", `k:{"name":"side"}`, "image"}, "somebody"},
		"what cannot be read is taken for nothing": {[]metav1.ManagedFieldsEntry{entry("kubectl-edit", "", `{`, 0)}, []string{"spec"}, "somebody"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, cluster.Editor(&metav1.ObjectMeta{ManagedFields: c.entries}, c.path...))
		})
	}
}
