// SPDX-License-Identifier: Apache-2.0

package rescue_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/traffic/split"
	"github.com/slipwayhq/slipway/starter/rescue"
	"github.com/slipwayhq/slipway/workflows/plan"
)

var (
	blue  = map[string]string{"app": "checkout"}
	green = map[string]string{"slipway.dev/service": "checkout", "slipway.dev/track": "green"}
)

// recorded is the safe state of a release that makes its candidate.
func recorded() activities.SafeState {
	return activities.SafeState{
		Version: 1, ReleaseID: "checkout-abc123", Lane: "production/checkout", Recorded: time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC),
		Target: plan.Target{Namespace: "shop", Deployment: "checkout", Service: "checkout"},
		Tracks: activities.Tracks{
			Stable: "checkout", StableImage: "shop:v1", StableSelector: blue, Replicas: 3, Port: 80,
			Candidate: "checkout-green", CandidateService: "checkout-green", CandidateSelector: green,
		},
		Route: activities.Route{
			Namespace: "shop", Traffic: plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout"}},
			Stable: "checkout", Candidate: "checkout-green", StableSelector: blue, CandidateSelector: green, Port: 80,
		},
	}
}

// half is a release that was left alone at 50 %.
func half() rescue.Found {
	return rescue.Found{
		Stable: &cluster.Track{Image: "shop:v1", Declared: 3, Ready: 3}, Candidate: &cluster.Track{Image: "shop:v2", Declared: 3, Ready: 3},
		Selector: blue, Route: &split.Seen{
			Share: "50 %", Shared: true, Undo: `patch httproute/checkout --type=json -p '[{"op":"replace"}]'`,
		},
	}
}

// lines are actions as a person reads them: "do" what is needed, "ok" what is not, and the commands below.
func lines(actions []rescue.Action) []string {
	var out []string
	for _, a := range actions {
		mark := "ok"
		if a.Needed {
			mark = "do"
		}
		out = append(out, fmt.Sprintf("%s %s: %s", mark, a.Do, a.Text))
		if !a.Needed {
			continue
		}
		for _, command := range a.ByHand {
			out = append(out, "   "+command)
		}
	}
	return out
}

const (
	stableOK   = "ok keep stable: Deployment checkout has 3 of 3 pods ready"
	serviceOK  = "ok switch service: Service checkout selects checkout (app=checkout)"
	routeOK    = "ok shift route: HTTPRoute checkout sends nothing to checkout-green"
	previewOK  = "ok close preview: there is no preview route"
	rollout    = "   kubectl -n shop rollout status deployment/checkout"
	byHandBlue = `   kubectl -n shop patch service/checkout --type=json -p '[{"op":"replace","path":"/spec/selector","value":{"app":"checkout"}}]'`
)

var (
	shifted = []string{
		"do shift route: HTTPRoute checkout sends 50 % to checkout-green: send everything to Service checkout",
		`   kubectl -n shop patch httproute/checkout --type=json -p '[{"op":"replace"}]'`,
	}
	verifyService = []string{
		"do verify service: Service checkout reaches the pods of checkout alone",
		"   kubectl -n shop get endpointslices -l kubernetes.io/service-name=checkout",
	}
	verifyRoute = []string{
		"do verify route: the gateway serves HTTPRoute checkout as it then stands",
		"   kubectl -n shop get httproute/checkout -o jsonpath='{.status}'",
	}
	kept = "ok keep candidate: Deployment checkout-green keeps its 3 pods, without requests; --remove-candidate takes them away"
)

// all joins lines and lists of lines.
func all(parts ...any) []string {
	var out []string
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			out = append(out, p)
		case []string:
			out = append(out, p...)
		}
	}
	return out
}

func TestPlan(t *testing.T) {
	tests := map[string]struct {
		safe   func(*activities.SafeState)
		found  func(*rescue.Found)
		remove bool
		want   []string
	}{
		"a release that was left alone at 50 % only has to be taken out of the route": {
			want: all(stableOK, serviceOK, shifted, verifyService, verifyRoute, previewOK, kept),
		},
		"where everything is as recorded, only the fence is written, and what is there is verified": {
			found: func(f *rescue.Found) { f.Route = &split.Seen{Share: "0 %"}; f.Candidate = nil },
			want:  all(stableOK, serviceOK, routeOK, verifyService, verifyRoute, previewOK),
		},
		"a release that had promoted is switched back for callers inside the cluster too": {
			found: func(f *rescue.Found) { f.Selector = green; f.Route.Share = "100 %" },
			want: all(stableOK,
				"do switch service: Service checkout selects checkout-green: switch it to checkout (app=checkout)", byHandBlue,
				"do shift route: HTTPRoute checkout sends 100 % to checkout-green: send everything to Service checkout", shifted[1],
				verifyService, verifyRoute, previewOK, kept),
		},
		"a stable track that was scaled down gets its pods before it gets requests": {
			found: func(f *rescue.Found) { f.Stable.Declared, f.Stable.Ready = 0, 0 },
			want: all("do keep stable: Deployment checkout is at 0 pods: scale it to 3 and wait until they are ready",
				"   kubectl -n shop scale deployment/checkout --replicas=3", rollout,
				serviceOK, shifted, verifyService, verifyRoute, previewOK, kept),
		},
		"pods that are not ready are waited for": {
			found: func(f *rescue.Found) { f.Stable.Ready = 1 },
			want: all("do keep stable: Deployment checkout has 1 of 3 pods ready: wait until all are", rollout,
				serviceOK, shifted, verifyService, verifyRoute, previewOK, kept),
		},
		"a stable track that was scaled up since stays so": {
			found: func(f *rescue.Found) { f.Stable.Declared, f.Stable.Ready = 5, 5 },
			want: all("ok keep stable: Deployment checkout has 5 of 5 pods ready",
				serviceOK, shifted, verifyService, verifyRoute, previewOK, kept),
		},
		"a stable track that is gone leaves nothing to send requests to": {
			found: func(f *rescue.Found) { f.Stable = nil },
			want:  all("do tell: Deployment checkout is gone, and the record does not hold all of it: bring it back from where you keep it, then run this again"),
		},
		"another image on stable is somebody's, and left as it is": {
			found: func(f *rescue.Found) { f.Stable.Image = "shop:v1.1" },
			want: all("do tell: Deployment checkout runs shop:v1.1, not shop:v1 as recorded: somebody has changed it, and it is left as it is",
				"   kubectl -n shop set image deployment/checkout '*=shop:v1'",
				stableOK, serviceOK, shifted, verifyService, verifyRoute, previewOK, kept),
		},
		"a selector that is neither track's is told before it is switched": {
			found: func(f *rescue.Found) { f.Selector = map[string]string{"app": "sorry"} },
			want: all(stableOK,
				"do switch service: Service checkout selects app=sorry, which is neither track: somebody has changed it. Switch it to checkout (app=checkout)", byHandBlue,
				shifted, verifyService, verifyRoute, previewOK, kept),
		},
		"a root Service and a route that are gone are told": {
			found: func(f *rescue.Found) { f.Selector, f.Route = nil, nil },
			want: all(stableOK,
				"do switch service: Service checkout is gone: bring it back from where you keep it, with the selector app=checkout", byHandBlue,
				"do shift route: HTTPRoute checkout is gone: bring it back from where you keep it",
				verifyService, verifyRoute, previewOK, kept),
		},
		"the testers' route is deleted": {
			found: func(f *rescue.Found) {
				f.Route.Preview, f.Route.ClosePreview = "HTTPRoute checkout-preview", "delete httproute/checkout-preview"
			},
			want: all(stableOK, serviceOK, shifted, verifyService, verifyRoute,
				"do close preview: HTTPRoute checkout-preview sends testers to checkout-green: delete it", "   kubectl -n shop delete httproute/checkout-preview", kept),
		},
		"copies of requests are taken out of the route, and what makes them goes": {
			found: func(f *rescue.Found) {
				f.Route.Shared, f.Route.Share, f.Route.Copied = false, "0 %", "100 %"
				f.Route.Undo, f.Route.Clear = "patch httproute/checkout --type=json -p '[]'", "delete traefikservice/checkout-mirror"
			},
			want: all(stableOK, serviceOK,
				"do shift route: HTTPRoute checkout sends copies of 100 % of requests to checkout-green: send none",
				"   kubectl -n shop patch httproute/checkout --type=json -p '[]'", "   kubectl -n shop delete traefikservice/checkout-mirror",
				verifyService, verifyRoute, previewOK, kept),
		},
		"a service without a router is switched back by its selector alone": {
			safe:  func(s *activities.SafeState) { s.Route.Traffic = plan.Traffic{Service: &plan.Selector{}} },
			found: func(f *rescue.Found) { f.Selector, f.Route = green, nil },
			want: all(stableOK,
				"do switch service: Service checkout selects checkout-green: switch it to checkout (app=checkout)", byHandBlue,
				verifyService, kept),
		},
		"a router that came after this program is left to a person": {
			safe:  func(s *activities.SafeState) { s.Route.Traffic = plan.Traffic{} },
			found: func(f *rescue.Found) { f.Route = nil },
			want: all("do tell: the release shifts requests by a router that this program does not know: use a newer slipway, or send them to Service checkout there by hand",
				stableOK, serviceOK, verifyService, kept),
		},
		"a candidate that the release made is deleted when that is asked for": {
			remove: true,
			want: all(stableOK, serviceOK, shifted, verifyService, verifyRoute, previewOK,
				"do remove candidate: Deployment checkout-green was made by this release: delete it", "   kubectl -n shop delete deployment/checkout-green"),
		},
		"a candidate that was there before is kept at zero, with its former image": {
			safe:   func(s *activities.SafeState) { s.Tracks.CandidateExists, s.Tracks.CandidateImage = true, "shop:v0" },
			remove: true,
			want: all(stableOK, serviceOK, shifted, verifyService, verifyRoute, previewOK,
				"do remove candidate: Deployment checkout-green: scale it to zero, with its former image shop:v0", "   kubectl -n shop scale deployment/checkout-green --replicas=0"),
		},
		"a candidate that is gone already takes its Service along": {
			found:  func(f *rescue.Found) { f.Candidate = nil },
			remove: true,
			want: all(stableOK, serviceOK, shifted, verifyService, verifyRoute, previewOK,
				"ok remove candidate: Deployment checkout-green is gone already"),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			safe, found := recorded(), half()
			if tt.safe != nil {
				tt.safe(&safe)
			}
			if tt.found != nil {
				tt.found(&found)
			}
			require.Empty(t, cmp.Diff(tt.want, lines(rescue.Plan(safe, found, tt.remove))))
		})
	}
}
