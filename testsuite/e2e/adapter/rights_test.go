// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// TestTheWorkerMayDoExactlyWhatItNeeds asks for every verb on everything that the API server knows.
func TestTheWorkerMayDoExactlyWhatItNeeds(t *testing.T) {
	kube, err := kubernetes.NewForConfig(workerConfig(t))
	require.NoError(t, err)
	_, lists, err := world.Kube.Discovery().ServerGroupsAndResources()
	require.NoError(t, err)
	var allowed []string
	asked, served := 0, map[string]bool{}
	for _, list := range lists {
		group, _, ok := strings.Cut(list.GroupVersion, "/")
		if !ok {
			group = ""
		}
		for _, r := range list.APIResources {
			resource, sub, _ := strings.Cut(r.Name, "/")
			served[strings.Trim(group+" "+r.Name, " ")] = true
			for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate", "bind", "escalate"} {
				review, err := kube.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), &authorizationv1.SelfSubjectAccessReview{
					Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
						Namespace: "anywhere", Group: group, Resource: resource, Subresource: sub, Verb: verb,
					}},
				}, metav1.CreateOptions{})
				require.NoError(t, err)
				asked++
				if review.Status.Allowed {
					allowed = append(allowed, strings.Trim(group+" "+r.Name+" "+verb, " "))
				}
			}
		}
	}
	slices.Sort(allowed)
	want := []string{
		"apps deployments create", "apps deployments delete", "apps deployments get", "apps deployments update",
		"apps statefulsets get", "apps statefulsets update", "apps daemonsets get", "apps daemonsets update",
		"apps replicasets list", "apps controllerrevisions list",
		"services create", "services delete", "services get", "services list", "services update",
		"configmaps create", "configmaps delete", "configmaps get", "configmaps list", "configmaps update",
		"autoscaling horizontalpodautoscalers create", "autoscaling horizontalpodautoscalers delete", "autoscaling horizontalpodautoscalers get",
		"autoscaling horizontalpodautoscalers list", "autoscaling horizontalpodautoscalers update",
		"batch cronjobs get", "batch jobs create", "batch jobs delete", "batch jobs get",
		"persistentvolumeclaims get", "resourcequotas list",
		"policy poddisruptionbudgets create", "policy poddisruptionbudgets delete", "policy poddisruptionbudgets get",
		"policy poddisruptionbudgets list", "policy poddisruptionbudgets update",
		"networking.k8s.io networkpolicies create", "networking.k8s.io networkpolicies delete", "networking.k8s.io networkpolicies get",
		"networking.k8s.io networkpolicies list", "networking.k8s.io networkpolicies update",
		"pods delete", "pods list",
		"coordination.k8s.io leases create", "coordination.k8s.io leases get", "coordination.k8s.io leases update",
		"discovery.k8s.io endpointslices list",
		"gateway.networking.k8s.io httproutes create", "gateway.networking.k8s.io httproutes delete",
		"gateway.networking.k8s.io httproutes get", "gateway.networking.k8s.io httproutes update",
		"gateway.networking.k8s.io grpcroutes create", "gateway.networking.k8s.io grpcroutes delete",
		"gateway.networking.k8s.io grpcroutes get", "gateway.networking.k8s.io grpcroutes update",
		"gateway.networking.k8s.io gateways get", "gateway.networking.k8s.io gatewayclasses get",
		"traefik.io traefikservices create", "traefik.io traefikservices delete", "traefik.io traefikservices get", "traefik.io traefikservices update",
		"networking.k8s.io ingresses create", "networking.k8s.io ingresses delete", "networking.k8s.io ingresses get",
		"networking.k8s.io ingresses list", "networking.k8s.io ingresses update", "networking.k8s.io ingressclasses get",
		"networking.istio.io virtualservices get", "networking.istio.io virtualservices update",
		"networking.istio.io destinationrules create", "networking.istio.io destinationrules delete", "networking.istio.io destinationrules get",
		"networking.istio.io destinationrules list", "networking.istio.io destinationrules update",
		// Kubernetes lets everybody ask about himself, and every service account read public certificates.
		"certificates.k8s.io clustertrustbundles get", "certificates.k8s.io clustertrustbundles list", "certificates.k8s.io clustertrustbundles watch",
		"authentication.k8s.io selfsubjectreviews create",
		"authorization.k8s.io selfsubjectaccessreviews create", "authorization.k8s.io selfsubjectrulesreviews create",
	}
	// The tests of one router bring its kinds along, wherever they stand in the order.
	want = slices.DeleteFunc(want, func(right string) bool { return !served[right[:strings.LastIndex(right, " ")]] })
	slices.Sort(want)
	require.Empty(t, cmp.Diff(want, slices.Compact(allowed)))
	require.Greater(t, asked, 500)
}

func TestTheWorkerIsReallyKeptFromSecrets(t *testing.T) {
	kube, err := kubernetes.NewForConfig(workerConfig(t))
	require.NoError(t, err)
	_, err = kube.CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	_, err = kube.CoreV1().Secrets("kube-system").Get(t.Context(), "any", metav1.GetOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	err = kube.CoreV1().RESTClient().Post().Resource("pods").Namespace("kube-system").Name("any").SubResource("exec").Do(t.Context()).Error()
	require.True(t, apierrors.IsForbidden(err), "%v", err)
}
