// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// grantSecrets applies deploy/secrets to the place.
func (p *place) grantSecrets(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/secrets/rbac.yaml")
	require.NoError(t, err)
	d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(string(text)), 4096)
	var role rbacv1.Role
	var binding rbacv1.RoleBinding
	require.NoError(t, d.Decode(&role))
	require.NoError(t, d.Decode(&binding))
	_, err = world.Kube.RbacV1().Roles(p.target.Namespace).Create(t.Context(), &role, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = world.Kube.RbacV1().RoleBindings(p.target.Namespace).Create(t.Context(), &binding, metav1.CreateOptions{})
	require.NoError(t, err)
}

func (p *place) putSecret(t *testing.T, name, value string, owners ...metav1.OwnerReference) {
	t.Helper()
	_, err := world.Kube.CoreV1().Secrets(p.target.Namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: owners}, Data: map[string][]byte{"a": []byte(value)},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

func TestSecretsAreSnapshottedOnlyWhereThePlanNamesThem(t *testing.T) {
	p := open(t, configured)
	p.target.Container = "shop"
	p.putSecret(t, "key", "first")
	config := plan.Config{Snapshot: new(true), Secrets: []string{"key"}}
	inspect := func() error {
		_, err := p.workloads.Inspect(t.Context(), activities.InspectTargetIn{Target: p.target, Config: config, Image: image("v2")})
		return err
	}
	require.Equal(t, fault.Denied, fault.Of(inspect()), "without the role there is no right")
	p.grantSecrets(t)
	eventually(t, func(context.Context) error { return inspect() })
	tracks := p.inspect(t, image("v2"))
	require.NoError(t, p.workloads.DeployCandidate(t.Context(), activities.DeployCandidateIn{
		Write: write(1, 1), Target: p.target, Tracks: tracks, Image: image("v2"), Config: config,
	}))
	name := p.deployment(t, "checkout-green").Spec.Template.Spec.Volumes[1].Projected.Sources[1].Secret.Name
	require.Regexp(t, "^key-[0-9a-f]{10}$", name)
	frozen, err := world.Kube.CoreV1().Secrets(p.target.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "first", string(frozen.Data["a"]))
	require.True(t, *frozen.Immutable)

	require.NoError(t, p.workloads.RetireTrack(t.Context(), activities.RetireTrackIn{
		Write: write(1, 2), Namespace: p.target.Namespace, Deployment: "checkout-green", Target: p.target, Config: config, DeleteDeployment: true,
	}))
	_, err = world.Kube.CoreV1().Secrets(p.target.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

func TestASecretThatSomebodyRenewsIsNotSnapshotted(t *testing.T) {
	p := open(t)
	p.grantSecrets(t)
	p.putSecret(t, "cert", "first", metav1.OwnerReference{APIVersion: "cert-manager.io/v1", Kind: "Certificate", Name: "shop", UID: "1"})
	in := activities.InspectTargetIn{Target: p.target, Config: plan.Config{Snapshot: new(true), Secrets: []string{"cert"}}, Image: image("v2")}
	eventually(t, func(ctx context.Context) error {
		if _, err := p.workloads.Inspect(ctx, in); fault.Of(err) == fault.Denied {
			return err
		}
		return nil
	})
	_, err := p.workloads.Inspect(t.Context(), in)
	require.EqualError(t, err, "Secret "+p.target.Namespace+"/cert belongs to Certificate shop, which may renew it; take it out of spec.config.secrets")
	in.Config.Secrets = []string{"missing"}
	_, err = p.workloads.Inspect(t.Context(), in)
	require.EqualError(t, err, "Secret "+p.target.Namespace+"/missing does not exist; correct spec.config.secrets")
}
