// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// End is how a release ends.
type End string

// The ends that leave nobody asking what is true.
const (
	Promoted End = "promoted"
	Undone   End = "undone"
	// Refused is a release that could not look at its target, and has changed nothing.
	Refused End = "refused"
)

// Way is one way that a release can go.
type Way struct {
	Name string
	// Replicas of the service; 0: two.
	Replicas int32
	// Labelled is true where its pods carry the label by which one Service can have both tracks.
	Labelled bool
	// Plan writes the plan of a service and returns its file.
	Plan func(*stage.Shop) (string, error)
	// Script is what people do meanwhile; nil: nothing.
	Script func(*Telling) error
	// Steps are the shares that the candidate gets on its route on the way up.
	Steps []int
	// End of it while nothing goes wrong.
	End End
	// Back is the command that takes a release back which was promoted before, as its story begins; empty: it is
	// that release.
	Back string
	// InPlace is true where the pods of one Deployment are replaced.
	InPlace bool
}

// quick is a plan by the short times of the end-to-end tests.
func quick(q stage.Quick) func(*stage.Shop) (string, error) {
	q.Bake, q.ReadyWithin, q.Patience, q.AskWithin = cmp.Or(q.Bake, "1s"), "1m", "30s", "2s"
	return func(shop *stage.Shop) (string, error) { return shop.Plan(q) }
}

const rollingPlan = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: %[1]s, environment: test}
spec:
  target: {namespace: %[1]s, deployment: %[1]s, service: %[1]s}
  traffic: {gatewayAPI: {route: %[1]s}}
  strategy: {rolling: {batches: [1], maxSurge: 1, minReady: 1s, soak: %[2]s, bake: 1s, readyWithin: 1m}}
  analysis:
    {source: {prometheus: {preset: traefik}}, warmUp: 100ms, interval: 1s, block: 1s, soak: 1s, history: 1m,
     window: 3s, minRequests: 10, patience: 30s, askWithin: 2s, errors: {margin: 30}}
  lane: {newer: queue, coolDown: 1ms}
`

// inPlace is a rolling plan with two batches, the first of which is watched for a while.
func inPlace(soak string) func(*stage.Shop) (string, error) {
	return func(shop *stage.Shop) (string, error) {
		return shop.WritePlan(shop.Name, fmt.Sprintf(rollingPlan, shop.Name, soak))
	}
}

const testers = "{header: {name: X-Preview, value: green}}"

// smoke is a check by the Job of a CronJob that [checked] makes.
const smoke = "{name: smoke, job: {cronJob: smoke}, within: 1m}"

// checked is a plan of a service that has the CronJob of its checks.
func checked(plan func(*stage.Shop) (string, error)) func(*stage.Shop) (string, error) {
	return func(shop *stage.Shop) (string, error) {
		if err := shop.PutCronJob(context.Background(), "smoke", "exit 0"); err != nil {
			return "", err
		}
		return plan(shop)
	}
}

// Ways are all of them.
func Ways() []Way {
	canary := []int{20, 60, 100}
	steps := func(hold string) []string { return stage.Holding(hold, canary[:2]...) }
	return []Way{
		{Name: "canary", Plan: quick(stage.Quick{Steps: steps("1s")}), Steps: canary, End: Promoted},
		{
			Name: "canary-sized", Replicas: 3, Steps: []int{30, 60, 100}, End: Promoted,
			Plan: quick(stage.Quick{Steps: stage.Holding("1s", 30, 60), Canary: "sizing: weight, testers: " + testers}),
		},
		{Name: "canary-aborted", Plan: quick(stage.Quick{Steps: steps("1s")[:1], Bake: "30s"}), Script: abortedAt(100), Steps: []int{20, 100}, End: Undone},
		{
			Name: "canary-edited", Steps: canary, End: Promoted, Script: takenBack,
			Plan: quick(stage.Quick{Steps: []string{"{weight: 20, hold: 1s, gate: {within: 1m}}", "{weight: 60, hold: 1s}"}}),
		},
		{Name: "blue-green", Plan: quick(stage.Quick{BlueGreen: "preview: " + testers}), Steps: []int{100}, End: Promoted},
		{Name: "blue-green-aborted", Plan: quick(stage.Quick{BlueGreen: " ", Bake: "30s"}), Script: abortedAt(100), Steps: []int{100}, End: Undone},
		{Name: "blue-green-checked", Plan: checked(quick(stage.Quick{BlueGreen: "preview: {checks: [" + smoke + "]}"})), Steps: []int{100}, End: Promoted},
		{Name: "blue-green-selector", Plan: quick(stage.Quick{BlueGreen: " ", Selector: true}), End: Promoted},
		{Name: "canary-returned", Plan: quick(stage.Quick{Steps: steps("1s")[:1], Settle: "return"}), Steps: []int{20, 100}, End: Promoted},
		{
			Name: "canary-by-pods", Replicas: 3, Labelled: true, End: Promoted,
			Plan: quick(stage.Quick{Steps: stage.Holding("1s", 25, 50), Replicas: true}),
		},
		{Name: "rollback", Plan: quick(stage.Quick{BlueGreen: " "}), Back: "rollback", Steps: []int{100}, End: Promoted},
		{Name: "rollout-undo", Plan: inPlace("1s"), Back: "undo", End: Promoted, InPlace: true},
		{Name: "rolling", Plan: inPlace("1s"), End: Promoted, InPlace: true},
		{Name: "rolling-aborted", Plan: inPlace("30s"), Script: abortedInBatch, End: Undone, InPlace: true},
	}
}

// wayOf finds one that is there.
func wayOf(name string) Way {
	ways := Ways()
	return ways[slices.IndexFunc(ways, func(w Way) bool { return w.Name == name })]
}
