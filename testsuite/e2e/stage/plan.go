// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Quick are the parts of a plan for a test: what a production plan leaves to the defaults is short.
type Quick struct {
	// Steps of a canary in YAML's flow style, such as "{weight: 10, hold: 2s}".
	Steps []string
	// Canary are more of its fields in YAML's flow style, such as "sizing: weight".
	Canary string
	// Replicas is a canary by the number of pods, and nothing is measured.
	Replicas bool
	// BlueGreen instead: its own fields in YAML's flow style, such as "gate: {within: 1m}"; a space for none.
	BlueGreen string
	// Selector switches the root Service without a router, and nothing is measured.
	Selector bool
	// Bake; default 2s. AskWithin; default 30s. ReadyWithin; default 30s.
	Bake, AskWithin, ReadyWithin string
	// Settle; default swap.
	Settle string
	// Errors in YAML's flow style; default: so large a margin that a few requests prove a candidate acceptable.
	Errors string
	// Patience; default 8s. Preset; default traefik.
	Patience, Preset string
	// Queries take the place of a preset, and Guards are beside the default ones; both in YAML's flow style.
	Queries, Guards string
	// Deployment, Service and Route that the plan names; default: the shop's own.
	Deployment, Service, Route string
	// Name of the plan; default: the shop's.
	Name string
	// Lane in YAML's flow style; default: a lane without a cool-down, in which each has its turn.
	Lane string
	// AlsoSwitch are Services in YAML's flow style, such as "metrics, admin".
	AlsoSwitch string
	// Notifications in YAML's flow style, such as "[{to: [chat]}]"; default none.
	Notifications string
}

// Holding are steps of the given weights with one hold.
func Holding(hold string, weights ...int) []string {
	var out []string
	for _, w := range weights {
		out = append(out, fmt.Sprintf("{weight: %d, hold: %s}", w, hold))
	}
	return out
}

// lane without a cool-down, in which each release has its turn.
const lane = "{newer: queue, coolDown: 1ms}"

const quickPlan = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: %[11]s, environment: test}
spec:
  target: {namespace: %[1]s, deployment: %[2]s, service: %[3]s, alsoSwitch: [%[14]s]}
  traffic: {%[4]s}
  strategy: {%[5]s, bake: %[6]s, settle: %[13]s, readyWithin: %[7]s, settleWithin: 20s}}
  analysis:
    %[8]s
    warmUp: 100ms
    interval: 1s
    block: 1s
    soak: 1s
    history: 1m
    window: %[10]s
    minRequests: 10
    patience: %[15]s
    askWithin: %[9]s
    errors: {%[16]s}
  lane: %[12]s
`

const rollingPlan = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: %[1]s, environment: test}
spec:
  target: {namespace: %[1]s, deployment: %[1]s, service: %[1]s}
  traffic: {gatewayAPI: {route: %[1]s}}
  strategy:
    rolling:
      batches: [1, 50%%]
      maxSurge: 1
      minReady: 1s
      soak: 3s
      bake: 3s
      readyWithin: %[5]s
      checks: [{name: version, url: %[2]s/, headers: {Host: %[3]s}, contains: %[4]s, within: 5s}]
  analysis:
    source: {prometheus: {preset: traefik}}
    warmUp: 100ms
    interval: 1s
    block: 1s
    soak: 1s
    history: 1m
    window: 3s
    minRequests: 10
    patience: 8s
    askWithin: 30s
    errors: {margin: 1}
  lane: %[6]s
`

// RollingPlan writes a rolling plan whose check wants a text in the new version's answer.
func (p *Shop) RollingPlan(wants, readyWithin string) (string, error) {
	return p.WritePlan(p.Name, fmt.Sprintf(rollingPlan, p.Name, p.Stage.Gateway, p.Host, wants, readyWithin, lane))
}

// Plan writes a plan for the shop into a file and returns its name.
func (p *Shop) Plan(q Quick) (string, error) {
	strategy, window := "canary: {steps: ["+strings.Join(q.Steps, ", ")+"]", "5m"
	if q.Canary != "" {
		strategy += ", " + q.Canary
	}
	if q.BlueGreen != "" {
		// What stable does is measured for one window before the switch.
		strategy, window = "blueGreen: {"+strings.TrimSpace(q.BlueGreen), "5s"
	}
	traffic, source := p.front.traffic(cmp.Or(q.Route, p.Name)), "source: {prometheus: {preset: "+cmp.Or(q.Preset, "traefik")+"}}"
	if q.Queries != "" {
		source = "source: {prometheus: {queries: {" + q.Queries + "}}}"
	}
	if q.Guards != "" {
		source += "\n    guards: {" + q.Guards + "}"
	}
	switch {
	case q.Selector:
		traffic, source = "service: {}", "source: {}"
	case q.Replicas:
		traffic, source = "replicas: {}", "source: {}"
	}
	text := fmt.Sprintf(quickPlan, p.Name, cmp.Or(q.Deployment, p.Name), cmp.Or(q.Service, p.Name), traffic, strategy,
		cmp.Or(q.Bake, "2s"), cmp.Or(q.ReadyWithin, "30s"), source, cmp.Or(q.AskWithin, "30s"), window,
		cmp.Or(q.Name, p.Name), cmp.Or(q.Lane, lane), cmp.Or(q.Settle, "swap"), q.AlsoSwitch,
		cmp.Or(q.Patience, "8s"), cmp.Or(q.Errors, "margin: 30"))
	if q.Notifications != "" {
		text += "  notifications: " + q.Notifications + "\n"
	}
	return p.WritePlan(cmp.Or(q.Name, p.Name), strings.ReplaceAll(text, "{, ", "{"))
}

// WritePlan writes the text of a plan into a file and returns its name.
func (p *Shop) WritePlan(name, text string) (string, error) {
	file := filepath.Join(p.Stage.Dir, name+"-plan.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("write plan: %w", err)
	}
	return file, nil
}

// Lane is how the command line names the shop.
func (p *Shop) Lane() string { return "test/" + p.Name }
