// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/plan"
)

const tableBegin, tableEnd = "<!-- Written by go test ./workflows/plan -update from workflows/plan/router.go. -->\n", "<!-- End of what is written. -->\n"

func TestThePageOfTheRoutersSaysWhatTheyCanDo(t *testing.T) {
	const file = "../../docs/routers.md"
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(page), tableBegin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, tableEnd)
	require.True(t, found)
	want := before + tableBegin + table() + tableEnd + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Empty(t, cmp.Diff(want, string(page)), "run go test ./workflows/plan -update")
}

// table is what each router declares.
func table() string {
	out := "| `spec.traffic` | shifts | weights | header | cookie | mirror | sticky | counted by a preset | a weight counts when | limits |\n" +
		strings.Repeat("| --- ", 10) + "|\n"
	yes := map[bool]string{true: "yes", false: "no"}
	for _, r := range plan.Routers() {
		cookie := yes[r.Cookie]
		if r.CookieValue != "" {
			cookie = "value " + r.CookieValue
		}
		mirror := yes[r.Mirror]
		if r.MirrorWhere != "" {
			mirror = r.MirrorWhere
		}
		out += fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
			r.Name, r.Object, yes[r.Weights], yes[r.Header], cookie, mirror, yes[r.Sticky], yes[r.Counted], r.Confirms, r.Limits)
	}
	return out
}

func TestAWishThatARouterCannotFulfilIsRefusedWithAReason(t *testing.T) {
	header := plan.Testers{Header: &plan.Header{Name: "X-Preview", Value: "green"}}
	cookie := func(value string) plan.Testers {
		return plan.Testers{Cookie: &plan.Cookie{Name: "canary", Value: value}}
	}
	for name, c := range map[string]struct {
		traffic plan.Traffic
		testers plan.Testers
		want    string
	}{
		"a route takes a header":       {plan.Traffic{GatewayAPI: &plan.GatewayAPI{}}, header, ""},
		"a route takes any cookie":     {plan.Traffic{GatewayAPI: &plan.GatewayAPI{}}, cookie("v2"), ""},
		"a mesh takes a header":        {plan.Traffic{Istio: &plan.Istio{}}, header, ""},
		"an Ingress takes a header":    {plan.Traffic{Ingress: &plan.Ingress{}}, header, ""},
		"an Ingress takes one cookie":  {plan.Traffic{Ingress: &plan.Ingress{}}, cookie("always"), ""},
		"an Ingress takes no other":    {plan.Traffic{Ingress: &plan.Ingress{}}, cookie("v2"), `traffic.ingress knows a cookie of the value "always" alone, not "v2"`},
		"a TraefikService takes none":  {plan.Traffic{Traefik: &plan.Traefik{}}, header, "traffic.traefik cannot tell the requests of testers from others (the IngressRoutes name"},
		"a Service's selector neither": {plan.Traffic{Service: &plan.Selector{}}, header, "only a router tells testers from others"},
		"nor does the number of pods":  {plan.Traffic{Replicas: &plan.Replicas{}}, cookie("always"), "only a router tells testers from others"},
		"nor no router at all":         {plan.Traffic{}, header, "only a router tells testers from others"},
	} {
		t.Run(name, func(t *testing.T) {
			router, _ := c.traffic.Router()
			got := router.Refuses(c.testers)
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Contains(t, got, c.want)
		})
	}
}

func TestRequestsAreCopiedByRoutersThatSayTheyCan(t *testing.T) {
	for name, c := range map[string]struct {
		traffic plan.Traffic
		want    string
	}{
		"an HTTPRoute copies, as far as a plan tells": {plan.Traffic{GatewayAPI: &plan.GatewayAPI{Kind: plan.KindHTTPRoute}}, ""},
		"a GRPCRoute does not":                        {plan.Traffic{GatewayAPI: &plan.GatewayAPI{Kind: plan.KindGRPCRoute}}, "no feature of the Gateway API tells whether a gateway copies the requests of a GRPCRoute"},
		"a TraefikService copies":                     {plan.Traffic{Traefik: &plan.Traefik{}}, ""},
		"a VirtualService copies":                     {plan.Traffic{Istio: &plan.Istio{}}, ""},
		"an Ingress does not":                         {plan.Traffic{Ingress: &plan.Ingress{}}, "cannot copy requests; leave mirror out, or name one that can: traffic.gatewayAPI, traffic.traefik, traffic.istio"},
		"a Service's selector does not":               {plan.Traffic{Service: &plan.Selector{}}, "cannot copy requests"},
		"nor does the number of pods":                 {plan.Traffic{Replicas: &plan.Replicas{}}, "cannot copy requests"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.want == "" {
				require.Empty(t, c.traffic.RefusesMirror())
				return
			}
			require.Contains(t, c.traffic.RefusesMirror(), c.want)
		})
	}
}

func TestTheShareOfCopiesIsThatOfAllRequestsThatAreAnswered(t *testing.T) {
	for percent, want := range map[int]int{1: 1, 5: 5, 10: 9, 25: 20, 50: 33, 100: 50} {
		require.Equal(t, want, plan.Mirror{Percent: percent}.Share(), "%d %%", percent)
	}
}

func TestEveryFieldOfTrafficIsARouterThatDeclaresItself(t *testing.T) {
	for _, traffic := range []plan.Traffic{
		{GatewayAPI: &plan.GatewayAPI{}},
		{Traefik: &plan.Traefik{}},
		{Ingress: &plan.Ingress{}},
		{Istio: &plan.Istio{}},
		{Service: &plan.Selector{}},
		{Replicas: &plan.Replicas{}},
	} {
		router, set := traffic.Router()
		require.Equal(t, 1, set)
		require.NotEmpty(t, router.Name)
		require.NotEmpty(t, router.Confirms)
	}
	_, set := plan.Traffic{Traefik: &plan.Traefik{}, Istio: &plan.Istio{}}.Router()
	require.Equal(t, 2, set)
}
