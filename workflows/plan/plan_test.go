// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipwayhq/slipway/workflows/plan"
)

var update = flag.Bool("update", false, "write the generated files anew")

const short = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: checkout, environment: production}
spec:
  target: {namespace: shop, deployment: checkout}
  traffic: {gatewayAPI: {route: checkout}}
  strategy:
    canary:
      steps:
        - {weight: 5}
        - weight: 25
          hold: 90s
          gate: {approvers: ["@team-checkout"]}
  analysis:
    source: {prometheus: {preset: traefik}}
    latency: {slo: {p99: 500ms}}
`

func load(t *testing.T, s string) plan.Plan {
	t.Helper()
	p, err := plan.Load(strings.NewReader(s))
	require.NoError(t, err)
	return p
}

func TestLoadFillsEveryDefault(t *testing.T) {
	minute := plan.Duration(time.Minute)
	want := plan.Plan{
		APIVersion: plan.APIVersion, Kind: plan.Kind,
		Metadata: plan.Metadata{Name: "checkout", Environment: "production"},
		Spec: plan.Spec{
			Target:  plan.Target{Kind: plan.KindDeployment, Namespace: "shop", Deployment: "checkout", Service: "checkout"},
			Traffic: plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout", Kind: plan.KindHTTPRoute}},
			Strategy: plan.Strategy{Canary: &plan.Canary{
				Steps: []plan.Step{
					{Weight: 5, Hold: 5 * minute},
					{Weight: 25, Hold: minute * 3 / 2, Gate: &plan.Gate{Approvers: []string{"@team-checkout"}, Quorum: 1, Within: 24 * 60 * minute}},
				},
				Sizing: plan.SizingFull, Bake: 60 * minute, ReadyWithin: 10 * minute, SettleWithin: minute, Settle: plan.SettleSwap,
			}},
			Config: &plan.Config{Snapshot: new(true)},
			Analysis: &plan.Analysis{
				Source: plan.Source{Prometheus: &plan.Prometheus{Preset: "traefik"}},
				WarmUp: 2 * minute, Interval: minute / 6, Block: minute / 2, Soak: 2 * minute, History: 6 * 60 * minute, Window: 5 * minute,
				MinRequests: 100, FalseAlarms: 5, Misses: 5,
				Patience: 10 * minute, AfterPatience: plan.AfterPatienceAsk, AskWithin: 24 * 60 * minute,
				Errors:  &plan.Errors{Tolerate: 1.25, Unacceptable: 2, Margin: new(0.5), SLO: new(10.0)},
				Latency: &plan.Latency{Tolerate: 1.25, Unacceptable: 2, Margin: new(1.0), SLO: &plan.SLO{P99: plan.Duration(500 * time.Millisecond)}},
				Guards: &plan.Guards{
					Restarts: &plan.Times{Limit: 3, Within: 10 * minute, Tolerate: 2}, OOMKills: &plan.Times{Limit: 1, Within: 30 * minute, Tolerate: 2},
				},
			},
			Lane: &plan.Lane{Newer: plan.NewerCoalesce, MaxQueue: 20, CoolDown: 10 * minute},
		},
	}
	require.Empty(t, cmp.Diff(want, load(t, short)))
}

func TestAPlanSurvivesTheWire(t *testing.T) {
	p := load(t, short)
	b, err := json.Marshal(p)
	require.NoError(t, err)
	var back plan.Plan
	require.NoError(t, json.Unmarshal(b, &back))
	require.Empty(t, cmp.Diff(p, back))
	require.Empty(t, back.Validate())
}

func TestBadPlansAreRefusedWithLineAndField(t *testing.T) {
	tests := map[string]struct{ replace, with, want string }{
		"unknown field":               {"  traffic:", "  trafic:", `line 6: spec.trafic: unknown field "trafic"`},
		"duplicate field":             {"kind: Plan", "kind: Plan\nkind: Plan", `line 3: mapping key "kind" already defined`},
		"word where a number belongs": {"weight: 25", "weight: lots", `line 11: spec.strategy.canary.steps[1].weight: cannot use a string here`},
		"list where a mapping belongs": {
			"canary:\n      steps:\n        - {weight: 5}\n        - weight: 25\n          hold: 90s\n          gate: {approvers: [\"@team-checkout\"]}",
			"canary: [a]", "line 8: spec.strategy.canary",
		},
		"duration without unit":      {"hold: 90s", "hold: 90", `line 12: spec.strategy.canary.steps[1].hold: "90" is not a length of time`},
		"duration in words":          {"hold: 90s", "hold: 5 minutes", `line 12: spec.strategy.canary.steps[1].hold: "5 minutes" is not a length of time`},
		"zero duration":              {"hold: 90s", "hold: 0s", `line 12: spec.strategy.canary.steps[1].hold: "0s" is not a length of time`},
		"ratio in words":             {"latency: {", "latency: {tolerate: twice, ", `line 16: spec.analysis.latency.tolerate: "twice" is not a ratio`},
		"a block between two ticks":  {"latency: {", "block: 15s\n    latency: {", "line 16: spec.analysis.block: must be a whole multiple of the interval (10s)"},
		"no false alarm ever":        {"latency: {", "falseAlarms: 0\n    latency: {", "line 16: spec.analysis.falseAlarms: must be from 0.1 to 20 percent"},
		"no limit of errors":         {"latency: {", "errors: {slo: 0}\n    latency: {", "line 16: spec.analysis.errors.slo: must be a percentage above 0"},
		"a margin that is no number": {"latency: {", "errors: {margin: .nan}\n    latency: {", "line 16: spec.analysis.errors.margin: must be from 0 to 100"},
		"less unacceptable than tolerated": {
			"latency: {", "errors: {tolerate: 3x, unacceptable: 2x}\n    latency: {", "line 16: spec.analysis.errors.unacceptable: must be at least what is tolerated (3x)",
		},
		"a deed nobody knows":       {"latency: {", "afterPatience: pray\n    latency: {", "line 16: spec.analysis.afterPatience: must be ask, promote or rollback"},
		"ratio below one":           {"latency: {", "latency: {tolerate: 0.9x, ", "line 16: spec.analysis.latency.tolerate: must be at least 1x"},
		"weight of 100":             {"weight: 25", "weight: 100", "line 11: spec.strategy.canary.steps[1].weight: must be a whole percentage from 1 to 99"},
		"weight that does not rise": {"weight: 25", "weight: 5", "line 11: spec.strategy.canary.steps[1].weight: must be above the step before it (5)"},
		"weight over 100":           {"weight: 25", "weight: 101", "line 11: spec.strategy.canary.steps[1].weight: must be a whole percentage from 1 to 99"},
		"negative weight":           {"weight: 25", "weight: -1", "line 11: spec.strategy.canary.steps[1].weight: must be a whole percentage from 1 to 99"},
		"a step after 100": {
			"- {weight: 5}", "- {weight: 100}\n        - {weight: 5}", "line 10: spec.strategy.canary.steps[0].weight: must be a whole percentage from 1 to 99; 100 follows the last step by itself",
		},
		"negative duration":               {"hold: 90s", "hold: -90s", `line 12: spec.strategy.canary.steps[1].hold: "-90s" is not a length of time`},
		"a sizing nobody knows":           {"      steps:", "      sizing: half\n      steps:", "spec.strategy.canary.sizing: must be full or weight"},
		"quorum nobody can reach":         {`["@team-checkout"]`, `["a"], quorum: 2`, "line 13: spec.strategy.canary.steps[1].gate.quorum: asks for 2 approvals, but names 1 approvers"},
		"written zero":                    {`["@team-checkout"]`, `["a"], quorum: 0`, "line 13: spec.strategy.canary.steps[1].gate.quorum: must be at least 1"},
		"missing deployment":              {"deployment: checkout", "service: checkout", "line 5: spec.target.deployment: must be a DNS label"},
		"other version":                   {"v1alpha1", "v2", `line 1: apiVersion: must be "slipway.dev/v1alpha1"`},
		"other preset":                    {"preset: traefik", "preset: envoy", "line 15: spec.analysis.source.prometheus.preset: must be one of traefik, nginx, contour, istio, app; for other metrics write queries of your own"},
		"no router":                       {"{gatewayAPI: {route: checkout}}", "{}", "line 6: spec.traffic: name the router"},
		"two routers":                     {"{gatewayAPI: {route: checkout}}", "{gatewayAPI: {route: checkout}, istio: {virtualService: checkout}}", "line 6: spec.traffic: name one router, not several"},
		"a route of no known kind":        {"{route: checkout}", "{route: checkout, kind: TCPRoute}", "line 6: spec.traffic.gatewayAPI.kind: must be HTTPRoute or GRPCRoute"},
		"a TraefikService without a name": {"{gatewayAPI: {route: checkout}}", "{traefik: {service: ''}}", "line 6: spec.traffic.traefik.service: must be the name of a Kubernetes object"},
		"an Ingress without a name":       {"{gatewayAPI: {route: checkout}}", "{ingress: {name: ''}}", "line 6: spec.traffic.ingress.name: must be the name of a Kubernetes object"},
		"a VirtualService without a name": {"{gatewayAPI: {route: checkout}}", "{istio: {virtualService: ''}}", "line 6: spec.traffic.istio.virtualService: must be the name of a Kubernetes object"},
		"a mesh that no preset counts":    {"{gatewayAPI: {route: checkout}}", "{istio: {virtualService: checkout}}", "line 15: spec.analysis.source.prometheus.preset: counts by backend what traffic.gatewayAPI or traffic.traefik or traffic.ingress sends, which this plan has not"},
		"clients that cannot be kept":     {"canary:\n", "canary:\n      sticky: {cookie: version}\n", "spec.strategy.canary.sticky: this router cannot keep a client on the version that it got first; leave sticky out, or name one that can: traffic.traefik"},
		"copies by a router that makes none": {
			"{gatewayAPI: {route: checkout}}\n  strategy:\n    canary:\n", "{ingress: {name: checkout}}\n  strategy:\n    canary:\n      mirror: {}\n",
			"spec.strategy.canary.mirror: this router cannot copy requests; leave mirror out, or name one that can: traffic.gatewayAPI, traffic.traefik, traffic.istio",
		},
		"copies of more than there is":   {"canary:\n", "canary:\n      mirror: {percent: 101}\n", "line 9: spec.strategy.canary.mirror.percent: must be a whole percentage from 1 to 100"},
		"copies of nothing":              {"canary:\n", "canary:\n      mirror: {percent: 0}\n", "line 9: spec.strategy.canary.mirror.percent: must be a whole percentage from 1 to 100; leave mirror out to copy nothing"},
		"copies for no time":             {"canary:\n", "canary:\n      mirror: {hold: -1m}\n", `line 9: spec.strategy.canary.mirror.hold: "-1m" is not a length of time`},
		"an undo that takes too long":    {"canary:\n", "canary:\n      stepBack: 11m\n", "line 9: spec.strategy.canary.stepBack: must be at most 10m"},
		"an end that is not one":         {"canary:\n", "canary:\n      settle: stay\n", "line 9: spec.strategy.canary.settle: must be swap or return"},
		"tracks and a Deployment":        {"deployment: checkout", "deployment: checkout, service: c, tracks: {blue: a, green: b}", "line 5: spec.target.deployment: leave it out where tracks names both"},
		"one track twice":                {"deployment: checkout", "service: c, tracks: {blue: a, green: a}", "line 5: spec.target.tracks.green: must be another Deployment than blue"},
		"tracks without a Service":       {"deployment: checkout", "tracks: {blue: a, green: b}", "line 5: spec.target.service: "},
		"tracks that return":             {"deployment: checkout}\n  traffic: {gatewayAPI: {route: checkout}}\n  strategy:\n    canary:\n", "service: c, tracks: {blue: a, green: b}}\n  traffic: {gatewayAPI: {route: checkout}}\n  strategy:\n    canary:\n      settle: return\n", "line 9: spec.strategy.canary.settle: two tracks kept by hand are swapped"},
		"the Service switched twice":     {"deployment: checkout", "deployment: checkout, alsoSwitch: [checkout]", "line 5: spec.target.alsoSwitch[0]: is the Service itself"},
		"secrets without snapshots":      {"  traffic:", "  config: {snapshot: false, secrets: [key]}\n  traffic:", "line 6: spec.config.secrets: are snapshotted with the ConfigMaps"},
		"tracks that roll":               {"deployment: checkout}\n  traffic: {gatewayAPI: {route: checkout}}\n  strategy:\n    canary:\n", "service: c, tracks: {blue: a, green: b}}\n  traffic: {gatewayAPI: {route: checkout}}\n  strategy:\n    rolling: {}\n    canary:\n", "line 5: spec.target.tracks: rolling replaces the pods of one workload"},
		"not YAML":                       {"kind: Plan", "kind: [Plan", "line 3: "},
		"two documents":                  {"    latency: {slo: {p99: 500ms}}\n", "---\nkind: Plan\n", "a second document begins here"},
		"too large":                      {"kind: Plan", "kind: Plan #" + strings.Repeat("x", plan.MaxSize), "the plan is larger than 256 KiB"},
		"an approver named twice":        {`["@team-checkout"]`, `[ann, ann]`, "gate.approvers[1]: is named twice"},
		"a group without a name":         {`["@team-checkout"]`, `["@"]`, "gate.approvers[0]: must not be empty"},
		"two approvers in one":           {`["@team-checkout"]`, `["ann, bob"]`, "gate.approvers[0]: must be one name, such as ann, or one group, such as @team-checkout"},
		"a confirmation by no URL":       {`["@team-checkout"]`, `[ann], confirm: {url: gate}`, "gate.confirm.url: "},
		"a confirmation with a password": {`["@team-checkout"]`, `[ann], confirm: {url: "http://ann:x@gate.example"}`, "gate.confirm.url: must name neither a password"},
		"a confirmation without pause":   {`["@team-checkout"]`, `[ann], confirm: {url: "http://gate.example", every: 1ms}`, "gate.confirm.every: must be from 1s to 10m"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, short, tt.replace)
			_, err := plan.Load(strings.NewReader(strings.Replace(short, tt.replace, tt.with, 1)))
			require.ErrorContains(t, err, tt.want)
		})
	}
	t.Run("empty", func(t *testing.T) {
		_, err := plan.Load(strings.NewReader(""))
		require.ErrorContains(t, err, "the plan is empty")
	})
}

func TestBadTestersAreRefused(t *testing.T) {
	tests := map[string]struct{ testers, want string }{
		"nobody":                  {"{}", "spec.strategy.canary.testers: say how testers are told from others"},
		"two marks":               {"{header: {name: X-Canary, value: a}, cookie: {name: b, value: c}}", "name a header or a cookie, not both"},
		"not a header's name":     {"{header: {name: X Canary, value: a}}", `testers.header.name: must be the name of an HTTP header, not "X Canary"`},
		"a header without value":  {"{header: {name: X-Canary}}", "testers.header.value: must not be empty"},
		"not a cookie's name":     {"{cookie: {name: 'a=b', value: c}}", `testers.cookie.name: must be the name of a cookie, not "a=b"`},
		"not a cookie's value":    {"{cookie: {name: a, value: 'b; c'}}", "testers.cookie.value: must be the value of a cookie"},
		"a cookie without value":  {"{cookie: {name: a}}", "testers.cookie.value: must be the value of a cookie"},
		"a mark nobody has heard": {"{query: {name: a, value: b}}", `unknown field "query"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := plan.Load(strings.NewReader(strings.Replace(short, "      steps:", "      testers: "+tt.testers+"\n      steps:", 1)))
			require.ErrorContains(t, err, tt.want)
		})
	}
}

const podRatio = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: checkout, environment: production}
spec:
  target: {namespace: shop, deployment: checkout}
  traffic: {replicas: {}}
  strategy: {canary: {steps: [{weight: 25}, {weight: 50}]}}
`

func TestACanaryWithoutARouterNeedsNoSourceAndIsSizedByItsWeights(t *testing.T) {
	p := load(t, podRatio)
	require.Equal(t, plan.SizingWeight, p.Spec.Strategy.Canary.Sizing)
	require.Nil(t, p.Spec.Analysis.Source.Prometheus)
	require.NotZero(t, p.Spec.Analysis.Interval)
	for name, tt := range map[string]struct{ replace, with, want string }{
		"a weight above 50":        {"weight: 50", "weight: 75", "steps[1].weight: must be at most 50 with traffic.replicas"},
		"checks too late":          {"canary: {", "canary: {checks: [{name: smoke, job: {cronJob: smoke}}], ", "canary.checks: with traffic.replicas the candidate's pods serve users as soon as they are ready"},
		"a candidate of full size": {"canary: {", "canary: {sizing: full, ", "canary.sizing: with traffic.replicas the candidate's pods are its weight"},
		"testers":                  {"canary: {", "canary: {testers: {header: {name: a, value: b}}, ", "canary.testers: only a router tells testers from others"},
		"two routers":              {"{replicas: {}}", "{replicas: {}, service: {}}", "spec.traffic: name one router, not several"},
		"another strategy":         {"{canary: {steps: [{weight: 25}, {weight: 50}]}}", "{blueGreen: {}}", "spec.traffic.replicas: the number of pods shifts a canary"},
		"numbers of a gateway": {
			"  strategy:", "  analysis: {source: {prometheus: {preset: traefik}}}\n  strategy:", "spec.analysis.source.prometheus.preset: counts by backend what traffic.gatewayAPI",
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, podRatio, tt.replace)
			_, err := plan.Load(strings.NewReader(strings.Replace(podRatio, tt.replace, tt.with, 1)))
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestANegativeHoldThatCameOverTheWireIsAProblem(t *testing.T) {
	p := load(t, short)
	p.Spec.Strategy.Canary.Steps[0].Hold = plan.Duration(-time.Minute)
	require.Len(t, p.Validate(), 1)
	require.Equal(t, "spec.strategy.canary.steps[0].hold", p.Validate()[0].Field)
}

func TestTracksKeptByHandNeedNoDeployment(t *testing.T) {
	p := load(t, strings.Replace(short, "deployment: checkout", "service: app, tracks: {blue: app-blue, green: app-green}", 1))
	require.Equal(t, plan.Target{
		Namespace: "shop", Kind: plan.KindDeployment, Deployment: "app-blue", Service: "app", Tracks: &plan.TrackNames{Blue: "app-blue", Green: "app-green"},
	}, p.Spec.Target)
}

func TestEveryProblemOfAPlanIsReportedAtOnce(t *testing.T) {
	bad := strings.NewReplacer("weight: 25", "weight: 3", "preset: traefik", "preset: x").Replace(short)
	_, err := plan.Load(strings.NewReader(bad))
	require.ErrorContains(t, err, "line 11: ")
	require.ErrorContains(t, err, "line 15: ")
}

func TestNoInputPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := strings.Split(short, "\n")
		i := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
		lines[i] = rapid.StringOf(rapid.RuneFrom([]rune(" :-{}[]&*!|>'\"#%a0x\t"))).Draw(t, "text")
		p, err := plan.Load(strings.NewReader(strings.Join(lines, "\n")))
		if err == nil && len(p.Validate()) != 0 {
			t.Fatalf("loaded an invalid plan")
		}
	})
}

func TestSchemaIsGeneratedFromTheTypes(t *testing.T) {
	r := &jsonschema.Reflector{ExpandedStruct: true}
	require.NoError(t, r.AddGoComments("github.com/slipwayhq/slipway/workflows/plan", "./"))
	got, err := json.MarshalIndent(r.Reflect(&plan.Plan{}), "", "  ")
	require.NoError(t, err)
	got = append(got, '\n')
	if *update {
		require.NoError(t, os.WriteFile("schema.json", got, 0o600))
	}
	want, err := os.ReadFile("schema.json")
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), string(got)), "run go test ./workflows/plan -update")
}

const inPlace = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: checkout, environment: production}
spec:
  target: {kind: KIND, namespace: shop, deployment: checkout}
  strategy: {rolling: ROLLING}
`

func rolling(kind, fields string) string {
	return strings.NewReplacer("KIND", kind, "ROLLING", fields).Replace(inPlace)
}

func TestARollingPlanNeedsNeitherRouterNorMetrics(t *testing.T) {
	minute := plan.Duration(time.Minute)
	common := plan.Rolling{
		Batches: []plan.Size{plan.Percent(25), plan.Percent(50), plan.Percent(100)}, Soak: minute, Bake: 10 * minute, ReadyWithin: 10 * minute,
	}
	tests := map[string]func(*plan.Rolling){
		plan.KindDeployment: func(r *plan.Rolling) {
			r.MaxSurge, r.MaxUnavailable, r.MinReady = new(plan.Percent(25)), new(plan.Pods(0)), minute/6
		},
		plan.KindStatefulSet: func(*plan.Rolling) {},
		plan.KindDaemonSet:   func(r *plan.Rolling) { r.MaxUnavailable = new(plan.Pods(1)) },
	}
	for kind, differs := range tests {
		t.Run(kind, func(t *testing.T) {
			want := common
			differs(&want)
			got := load(t, rolling(kind, "{}"))
			require.Empty(t, cmp.Diff(&want, got.Spec.Strategy.Rolling))
			b, err := json.Marshal(got)
			require.NoError(t, err)
			var back plan.Plan
			require.NoError(t, json.Unmarshal(b, &back))
			require.Empty(t, cmp.Diff(got, back))
		})
	}
}

func TestAJobHasItsOwnTimeAndNothingOfARequest(t *testing.T) {
	p := load(t, rolling("Deployment", "{checks: [{name: smoke, job: {cronJob: smoke}}, {name: health, url: 'http://checkout/'}]}"))
	require.Empty(t, cmp.Diff([]plan.Check{
		{Name: "smoke", Job: &plan.JobCheck{CronJob: "smoke"}, Within: plan.Duration(5 * time.Minute)},
		{Name: "health", URL: "http://checkout/", Status: 200, Within: plan.Duration(30 * time.Second)},
	}, p.Spec.Strategy.Rolling.Checks))
}

func TestTheChecksOfAStepAreLikeThoseOfACanary(t *testing.T) {
	with := func(checks string) string {
		return strings.Replace(short, "- {weight: 5", "- {checks: ["+checks+"], weight: 5", 1)
	}
	p := load(t, with("{name: smoke, job: {cronJob: smoke}}, {name: health, url: 'http://checkout/'}"))
	require.Empty(t, cmp.Diff([]plan.Check{
		{Name: "smoke", Job: &plan.JobCheck{CronJob: "smoke"}, Within: plan.Duration(5 * time.Minute)},
		{Name: "health", URL: "http://checkout/", Status: 200, Within: plan.Duration(30 * time.Second)},
	}, p.Spec.Strategy.Canary.Steps[0].Checks))
	const at = "spec.strategy.canary.steps[0].checks"
	for name, tt := range map[string]struct{ checks, want string }{
		"nothing":             {"{name: smoke}", at + "[0]: say what is checked: url: http://…, or job: {cronJob: …}"},
		"a Job and a request": {"{name: smoke, job: {cronJob: smoke}, contains: ok}", at + "[0]: is a Job or a request, not both"},
		"a Job of nothing":    {"{name: smoke, job: {}}", at + "[0].job.cronJob: must be the name of a Kubernetes object"},
		"one name twice":      {"{name: a, url: 'http://a/'}, {name: a, url: 'http://b/'}", at + "[1].name: must differ from the other checks"},
		"too many":            {strings.Repeat("{name: a, url: 'http://a/'}, ", 20) + "{name: a, url: 'http://a/'}", at + ": at most 20 checks"},
		"a field of nobody":   {"{name: a, uri: 'http://a/'}", "uri"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plan.Load(strings.NewReader(with(tt.checks)))
			require.ErrorContains(t, err, tt.want)
		})
	}
	byPods := strings.Replace(with("{name: health, url: 'http://checkout/'}"), "{gatewayAPI: {route: checkout}}", "{replicas: {}}", 1)
	before, _, _ := strings.Cut(byPods, "  analysis:")
	require.Len(t, load(t, before).Spec.Strategy.Canary.Steps[0].Checks, 1, "its candidate has users already")
}

func TestBadRollingPlansAreRefusedWithLineAndField(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"another kind":             {rolling("Job", "{}"), "line 5: spec.target.kind: must be Deployment, StatefulSet or DaemonSet"},
		"no number of pods":        {rolling("Deployment", "{batches: [some]}"), `line 6: spec.strategy.rolling.batches[0]: "some" is not a number of pods`},
		"a batch of no pods":       {rolling("Deployment", "{batches: [0]}"), "line 6: spec.strategy.rolling.batches[0]: must be a number of pods from 1"},
		"a batch of too many":      {rolling("Deployment", "{batches: [120%]}"), "line 6: spec.strategy.rolling.batches[0]: must be a number of pods from 1, or a share from 1% to 100%"},
		"a batch that is not more": {rolling("Deployment", "{batches: [50%, 25%]}"), "line 6: spec.strategy.rolling.batches[1]: must be above the batch before it (50%)"},
		"no pod that could go":     {rolling("Deployment", "{maxSurge: 0}"), "line 6: spec.strategy.rolling.maxUnavailable: must be above 0 where there is no maxSurge"},
		"a brake of half a second": {rolling("Deployment", "{minReady: 1500ms}"), "line 6: spec.strategy.rolling.minReady: must be whole seconds"},
		"members above the size":   {rolling("StatefulSet", "{maxSurge: 1}"), "line 6: spec.strategy.rolling.maxSurge: a StatefulSet has no pods above its size"},
		"members missing":          {rolling("StatefulSet", "{maxUnavailable: 1}"), "a StatefulSet replaces one pod after the other"},
		"a check without address":  {rolling("Deployment", "{checks: [{name: health, url: health}]}"), "spec.strategy.rolling.checks[0].url: must be a whole address"},
		"a check of nothing":       {rolling("Deployment", "{checks: [{name: smoke}]}"), "spec.strategy.rolling.checks[0]: say what is checked: url: http://…, or job: {cronJob: …}"},
		"a Job and a request": {
			rolling("Deployment", "{checks: [{name: smoke, job: {cronJob: smoke}, url: 'http://checkout/'}]}"),
			"line 6: spec.strategy.rolling.checks[0]: is a Job or a request, not both",
		},
		"a Job of nothing":        {rolling("Deployment", "{checks: [{name: smoke, job: {}}]}"), "spec.strategy.rolling.checks[0].job.cronJob: must be the name of a Kubernetes object"},
		"a Job that ends at once": {rolling("Deployment", "{checks: [{name: smoke, job: {cronJob: smoke}, within: 1ms}]}"), "spec.strategy.rolling.checks[0].within: must be at least 1s"},
		"a Service to switch": {
			strings.Replace(rolling("Deployment", "{}"), "  strategy", "  traffic: {service: {}}\n  strategy", 1), "spec.traffic.service: rolling switches no Service",
		},
		"numbers without a router": {
			rolling("Deployment", "{}") + "  analysis: {source: {prometheus: {preset: traefik}}}\n", "spec.analysis.source.prometheus.preset: counts by backend what traffic.gatewayAPI",
		},
		"a second set of members": {
			strings.Replace(short, "{namespace", "{kind: StatefulSet, namespace", 1), "line 5: spec.target.kind: only rolling releases a StatefulSet",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := plan.Load(strings.NewReader(tt.text))
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestDurationsReadAsPeopleWriteThem(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Hour: "1h", 90 * time.Minute: "1h30m", 90 * time.Second: "1m30s", 10 * time.Minute: "10m", 500 * time.Millisecond: "500ms",
	} {
		require.Equal(t, want, plan.Duration(d).String())
	}
}

func TestAGroupMayHaveMoreMembersThanAreNamedAndASystemMayStandForPeople(t *testing.T) {
	read := func(gate string) plan.Gate {
		text := strings.Replace(short, `gate: {approvers: ["@team-checkout"]}`, "gate: "+gate, 1)
		p, err := plan.Load(strings.NewReader(text))
		require.NoError(t, err)
		return *p.Spec.Strategy.Canary.Steps[1].Gate
	}
	require.Equal(t, 3, read(`{approvers: ["@team-checkout"], quorum: 3}`).Quorum)
	alone := read(`{confirm: {url: "http://gate.example/check?token=x"}}`)
	require.Zero(t, alone.Quorum)
	require.Equal(t, 10*time.Second, alone.Confirm.Every.D())
	require.Equal(t, "http://gate.example/check", alone.Confirm.Name())
	require.Equal(t, 1, read(`{approvers: [ann], confirm: {url: "http://gate.example"}}`).Quorum, "both must say yes")
	require.Equal(t, 2, read(`{quorum: 2, confirm: {url: "http://gate.example"}}`).Quorum)
}
