// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"fmt"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Account is the worker's service account, as deploy/base makes it.
const (
	AccountNamespace = "slipway-system"
	AccountName      = "slipway-worker"
)

// grant applies a Kustomize directory, as `kubectl apply -k` would. The worker's own Deployment is left
// out: the worker runs beside the sandbox, so that a test can kill it, with the same service account.
func (s *Stage) grant(ctx context.Context, dir string) error {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return fmt.Errorf("build %s: %w", dir, err)
	}
	found, err := discovery.NewDiscoveryClientForConfig(s.admin)
	if err != nil {
		return fmt.Errorf("make discovery client: %w", err)
	}
	groups, err := restmapper.GetAPIGroupResources(found)
	if err != nil {
		return fmt.Errorf("discover API: %w", err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	for _, r := range built.Resources() {
		object, err := r.Map()
		if err != nil {
			return fmt.Errorf("read %s: %w", r.CurId(), err)
		}
		o := &unstructured.Unstructured{Object: object}
		if o.GetKind() == "Deployment" {
			continue
		}
		kind := o.GroupVersionKind()
		mapping, err := mapper.RESTMapping(schema.GroupKind{Group: kind.Group, Kind: kind.Kind}, kind.Version)
		if err != nil {
			return fmt.Errorf("apply %s: %w", r.CurId(), err)
		}
		_, err = s.Objects.Resource(mapping.Resource).Namespace(o.GetNamespace()).
			Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "kustomize", Force: true})
		if err != nil {
			return fmt.Errorf("apply %s: %w", r.CurId(), err)
		}
	}
	return nil
}

// WorkerConfig is a client configuration with the rights of the worker's service account, and no more.
func (s *Stage) WorkerConfig(ctx context.Context) (*rest.Config, error) {
	return s.accountConfig(ctx, AccountNamespace, AccountName)
}

// Pager is the account of the person with the pager.
const Pager = "pager"

// PagerConfig is a client configuration with the rights of deploy/rescue in one namespace, and no more.
func (s *Stage) PagerConfig(ctx context.Context, namespace string) (*rest.Config, error) {
	if err := s.grant(ctx, filepath.Join(s.Repository, "deploy", "rescue")); err != nil {
		return nil, err
	}
	meta := metav1.ObjectMeta{Name: Pager, Namespace: namespace}
	_, err1 := s.Kube.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	_, err2 := s.Kube.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "slipway-rescue"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: Pager, Namespace: namespace}},
	}, metav1.CreateOptions{})
	for _, err := range []error{err1, err2} {
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("give the pager its rights: %w", err)
		}
	}
	return s.accountConfig(ctx, namespace, Pager)
}

// PagerKubeconfig is a file with that configuration.
func (s *Stage) PagerKubeconfig(ctx context.Context, namespace string) (string, error) {
	c, err := s.PagerConfig(ctx, namespace)
	if err != nil {
		return "", err
	}
	return s.writeKubeconfig(c, Pager+"-"+namespace)
}

func (s *Stage) accountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	token, err := s.Kube.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(24 * 3600))},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("get token of %s: %w", name, err)
	}
	c := rest.AnonymousClientConfig(s.admin)
	c.BearerToken = token.Status.Token
	return c, nil
}

// writeKubeconfig writes a configuration into a file.
func (s *Stage) writeKubeconfig(c *rest.Config, user string) (string, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters["sandbox"] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData, CertificateAuthority: c.CAFile}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: c.BearerToken}
	config.Contexts[user] = &clientcmdapi.Context{Cluster: "sandbox", AuthInfo: user}
	config.CurrentContext = user
	file := filepath.Join(s.Dir, user+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return "", fmt.Errorf("write %s: %w", file, err)
	}
	return file, nil
}
