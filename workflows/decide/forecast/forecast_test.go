// SPDX-License-Identifier: Apache-2.0

package forecast_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipwayhq/slipway/workflows/decide/forecast"
	"github.com/slipwayhq/slipway/workflows/plan"
)

const head = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: checkout, environment: production}
spec:
  target: {namespace: shop, deployment: checkout}
`

const measured = `  traffic: {gatewayAPI: {route: checkout}}
  analysis: {source: {prometheus: {preset: traefik}}}
`

const canary = head + measured + `  strategy:
    canary:
      steps:
        - {weight: 5, hold: 5m}
        - {weight: 50, hold: 10m, gate: {approvers: [ann, bob], quorum: 2, within: 4h}}
      bake: 30m
`

const blueGreen = head + measured + `  strategy:
    blueGreen:
      preview:
        header: {name: X-Preview, value: green}
        checks: [{name: health, url: "http://checkout-green.shop/health"}]
        load: {url: "http://checkout-green.shop/", for: 1m}
      gate: {within: 2h}
`

const selector = head + `  traffic: {service: {}}
  strategy: {blueGreen: {}}
`

const rolling = head + measured + `  strategy:
    rolling:
      batches: [1, 50%]
      maxSurge: 25%
      maxUnavailable: 1
      soak: 5m
      checks: [{name: health, url: "http://checkout.shop/health"}]
      gate: {within: 2h}
      bake: 30m
`

func of(t *testing.T, text string, replicas int) forecast.Forecast {
	t.Helper()
	p, err := plan.Load(strings.NewReader(text))
	require.NoError(t, err)
	f, err := forecast.Of(p, replicas)
	require.NoError(t, err)
	return f
}

// brief is a step in one line.
func brief(steps []forecast.Step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, s.What+"; "+strings.Join(s.Undo, ", "))
	}
	return out
}

func TestACanarySaysWhatEachStepDoesAndHowItIsUndone(t *testing.T) {
	const remove, back = "remove the candidate", "send all requests back to stable, remove the candidate"
	require.Empty(t, cmp.Diff([]string{
		"look at target, route and metrics; ",
		"deploy the candidate, of stable's size; " + remove,
		"shift 5 %, watch and judge; " + back,
		"shift 50 %, watch and judge; " + back,
		"ask ann, bob; " + back,
		"send everybody to the candidate; point the Service back, " + back,
		"bake, with stable kept warm; point the Service back, " + back,
		"leave the route with one backend; point the Service back, " + back,
		"retire stable: scale it to zero; not any more: slipway rollback production/checkout",
	}, brief(of(t, canary, 3).Steps)))
}

func TestACanarySaysWhenTestersReachIt(t *testing.T) {
	const remove = "remove the candidate"
	const open, back = "close the preview route, " + remove, "send all requests back to stable, close the preview route, " + remove
	for mark, testers := range map[string]string{
		"X-Beta: yes":         `{header: {name: X-Beta, value: "yes"}}`,
		"the cookie beta=yes": `{cookie: {name: beta, value: "yes"}}`,
	} {
		f := of(t, strings.Replace(canary, "      steps:", "      testers: "+testers+"\n      steps:", 1), 3)
		require.Empty(t, cmp.Diff([]string{
			"open the preview route: " + mark + "; " + open,
			"shift 5 %, watch and judge; " + back,
			"shift 50 %, watch and judge; " + back,
			"ask ann, bob; " + back,
			"send everybody to the candidate; point the Service back, " + back,
			"close the preview route; point the Service back, send all requests back to stable, " + remove,
			"bake, with stable kept warm; point the Service back, send all requests back to stable, " + remove,
		}, brief(f.Steps)[2:9]))
	}
}

func TestACanaryByPodsSaysTheWeightsThatItsPodsMake(t *testing.T) {
	text := strings.NewReplacer("gatewayAPI: {route: checkout}", "replicas: {}", "preset: traefik", "preset: app").Replace(canary)
	for replicas, want := range map[int][]int{0: {5, 50}, 19: {5, 50}, 10: {9, 50}} {
		f := of(t, text, replicas)
		require.Equal(t, want, []int{f.Steps[2].Share, f.Steps[3].Share}, "%d pods", replicas)
	}
	p, err := plan.Load(strings.NewReader(text))
	require.NoError(t, err)
	_, err = forecast.Of(p, 3)
	require.ErrorContains(t, err, "step 1 asks for 5 %, which is less than one pod beside 3; 3 pods of stable make the weights 25 %, 40 %, 50 %")
}

func TestACanarySaysWhatItCopies(t *testing.T) {
	const remove, back = "remove the candidate", "send all requests back to stable, remove the candidate"
	f := of(t, strings.Replace(canary, "      steps:", "      mirror: {percent: 20, hold: 10m}\n      steps:", 1), 3)
	require.Empty(t, cmp.Diff([]string{
		"deploy the candidate, of stable's size; " + remove,
		"copy 20 % of requests to the candidate, watch and judge; copy no more requests, " + remove,
		"shift 5 %, watch and judge; " + back,
	}, brief(f.Steps)[1:4]))
	step, minute := f.Steps[2], plan.Duration(time.Minute)
	require.Equal(t, 10*minute, step.Takes)
	require.Equal(t, 2*minute, step.WarmUp)
	require.Zero(t, step.Share)
	require.Zero(t, step.UserMinutes, "nobody gets its answers")
	require.Equal(t, minute+plan.Duration(2*time.Second), step.UndoWithin)
	require.Equal(t, 55*minute, f.Takes)
}

func TestABlueGreenReleaseSaysWhatItTestsBeforeTheSwitch(t *testing.T) {
	const remove, back = "remove the candidate", "send all requests back to stable, remove the candidate"
	require.Empty(t, cmp.Diff([]string{
		"look at target, route and metrics; ",
		"deploy the candidate, of stable's size; " + remove,
		"open the preview route: X-Preview: green; close the preview route, " + remove,
		"check health; close the preview route, " + remove,
		"send 20 requests/s to the candidate; close the preview route, " + remove,
		"measure stable, to compare with later; close the preview route, " + remove,
		"ask anybody; close the preview route, " + remove,
		"close the preview route; " + remove,
		"send everybody to the candidate; point the Service back, " + back,
		"bake, with stable kept warm; point the Service back, " + back,
		"leave the route with one backend; point the Service back, " + back,
		"retire stable: scale it to zero; not any more: slipway rollback production/checkout",
	}, brief(of(t, blueGreen, 3).Steps)))
	require.Empty(t, cmp.Diff([]string{
		"look at target and route; ",
		"deploy the candidate, of stable's size; " + remove,
		"point the Service at the candidate; " + back,
		"bake, with stable kept warm; " + back,
		"retire stable: scale it to zero; not any more: slipway rollback production/checkout",
	}, brief(of(t, selector, 3).Steps)))
}

func TestARollingReleaseSaysItsBatches(t *testing.T) {
	const back = "bring the former revision back, restore the workload's settings"
	f := of(t, rolling, 6)
	require.Empty(t, cmp.Diff([]string{
		"look at workload and metrics; ",
		"measure stable, to compare with later; ",
		"replace pods until 1 of 6 are new, 1 missing, watch; " + back,
		"check health; " + back,
		"ask anybody; " + back,
		"replace pods until 3 of 6 are new, 1 missing, watch; " + back,
		"check health; " + back,
		"replace pods until 6 of 6 are new, 1 missing; " + back,
		"check health; " + back,
		"bake, with the former revision kept; " + back,
		"restore the workload's settings; not any more: slipway undo -f PLAN",
	}, brief(f.Steps)))
	minute := plan.Duration(time.Minute)
	two, hours, first := 2, 2*10.0/60, 16*(130*time.Second).Minutes()
	require.Equal(t, (5+5+5+30)*minute, f.Takes)
	require.Empty(t, cmp.Diff(forecast.Cost{Extra: plan.Percent(25), ExtraPods: &two, For: 10 * minute, PodHours: &hours}, f.Cost))
	require.Empty(t, cmp.Diff(forecast.Blast{UserMinutes: 16*5 + 50*5 + 100*30, BeforePromotion: 16*5 + 50*5, FirstLook: &first}, f.Blast))
	require.Equal(t, 10*minute, f.UndoWithin)
}

func TestACheckByAJobIsNamedWithItsUndo(t *testing.T) {
	said := func(text string) string {
		job := strings.NewReplacer(`url: "http://checkout.shop/health"`, "job: {cronJob: smoke}", `url: "http://checkout-green.shop/health"`, "job: {cronJob: smoke}").Replace(text)
		for _, line := range brief(of(t, job, 6).Steps) {
			if strings.HasPrefix(line, "check ") {
				return line
			}
		}
		return ""
	}
	require.Equal(t, "check health by a Job of CronJob smoke; bring the former revision back, restore the workload's settings, delete the check's Job", said(rolling))
	require.Equal(t, "check health by a Job of CronJob smoke; delete the check's Job, close the preview route, remove the candidate", said(blueGreen))
	checked := strings.Replace(canary, "      steps:", "      checks: [{name: health, job: {cronJob: smoke}}]\n      steps:", 1)
	require.Equal(t, "check health by a Job of CronJob smoke; delete the check's Job, remove the candidate", said(checked))
}

func TestTheChecksOfAStepStandBetweenItsWatchAndItsGate(t *testing.T) {
	const remove, back = "remove the candidate", "send all requests back to stable, remove the candidate"
	f := of(t, strings.NewReplacer(
		"{weight: 5, hold: 5m}", `{weight: 5, hold: 5m, checks: [{name: health, url: "http://checkout-green.shop/health"}]}`,
		"hold: 10m, gate", "hold: 10m, checks: [{name: smoke, job: {cronJob: smoke}, within: 20m}, {name: regression, job: {cronJob: regression}}], gate",
	).Replace(canary), 3)
	require.Empty(t, cmp.Diff([]string{
		"deploy the candidate, of stable's size; " + remove,
		"shift 5 %, watch and judge; " + back,
		"check health; " + back,
		"shift 50 %, watch and judge; " + back,
		"check smoke by a Job of CronJob smoke, regression by a Job of CronJob regression; send all requests back to stable, delete the check's Job, remove the candidate",
		"ask ann, bob; " + back,
		"send everybody to the candidate; point the Service back, " + back,
	}, brief(f.Steps)[1:8]))
	minute, second := plan.Duration(time.Minute), plan.Duration(time.Second)
	plain := of(t, canary, 3)
	require.Equal(t, plain.Takes, f.Takes, "nobody knows when a check has passed")
	require.Equal(t, plain.AtMost+30*second+25*minute, f.AtMost)
	require.Equal(t, plain.Blast, f.Blast)
	require.Equal(t, []int{5, 50}, []int{f.Steps[3].Share, f.Steps[5].Share})
	require.Equal(t, minute+2*second, f.Steps[3].UndoWithin)
	require.Equal(t, minute+7*second, f.Steps[5].UndoWithin, "no attempt may make the Job anew")
}

func TestARollingReleaseOfAnUnknownNumberOfPods(t *testing.T) {
	f := of(t, head+"  strategy: {rolling: {}}\n", 0)
	require.Equal(t, "replace pods until 25 % are new, watch; bring the former revision back, restore the workload's settings", brief(f.Steps)[1])
	require.Nil(t, f.Cost.ExtraPods)
	require.Equal(t, plan.Percent(25), f.Cost.Extra)

	p, err := plan.Load(strings.NewReader(rolling))
	require.NoError(t, err)
	_, err = forecast.Of(p, 0)
	require.ErrorContains(t, err, "counts its batches in pods")
}

func TestAStatefulSetCostsNoExtraPods(t *testing.T) {
	text := strings.Replace(head, "deployment: checkout", "kind: StatefulSet, deployment: checkout", 1)
	f := of(t, text+"  strategy: {auto: {budget: double}}\n", 4)
	require.Equal(t, "rolling", f.Strategy)
	require.Equal(t, 0, *f.Cost.ExtraPods)
	require.Zero(t, *f.Cost.PodHours)
}

func TestTheStepsAddUp(t *testing.T) {
	six, hours, first := 6, 6*0.75, 5*(130*time.Second).Minutes()
	f := of(t, canary, 6)
	minute := plan.Duration(time.Minute)
	require.Equal(t, 45*minute, f.Takes)
	// Ready within 10m, two weights and two more writes that the router has to take up, and a gate.
	require.Equal(t, (45+10+4+240)*minute, f.AtMost)
	require.Empty(t, cmp.Diff(forecast.Cost{Extra: plan.Percent(100), ExtraPods: &six, For: 45 * minute, PodHours: &hours}, f.Cost))
	require.Empty(t, cmp.Diff(forecast.Blast{UserMinutes: 5*5 + 50*10 + 100*30, BeforePromotion: 5*5 + 50*10, FirstLook: &first}, f.Blast))
	require.Equal(t, minute+plan.Duration(2*time.Second), f.UndoWithin)
	require.Equal(t, len(f.Steps), f.NoReturn)
	require.Equal(t, &forecast.Unmeasured{Patience: 10 * minute, AskWithin: 24 * 60 * minute}, f.Unmeasured)

	f = of(t, blueGreen, 6)
	// What stable does is measured for 5m, of which the load takes one.
	require.Equal(t, 65*minute, f.Takes)
	require.Zero(t, f.Blast.BeforePromotion)
}

func TestWithoutTheNumberOfPodsTheCostIsSaidInTracks(t *testing.T) {
	f := of(t, canary, 0)
	require.Nil(t, f.Cost.ExtraPods)
	require.Nil(t, f.Cost.PodHours)
	require.Equal(t, plan.Duration(45*time.Minute), f.Cost.For)
	require.Equal(t, 0, *f.Steps[0].ExtraPods)
	require.Nil(t, f.Steps[1].ExtraPods)
	require.Equal(t, 0, *f.Steps[len(f.Steps)-1].ExtraPods)
}

func TestAWatchOfPodsAloneHasNoWarmUp(t *testing.T) {
	f := of(t, selector, 1)
	require.Nil(t, f.Blast.FirstLook)
	for _, s := range f.Steps {
		require.Zero(t, s.WarmUp)
	}
}

// TestEveryForecastIsSound holds for every canary: nobody is exposed before the candidate runs, the exposure
// only grows, there is a way back until the last step, and what is over costs nothing.
func TestEveryForecastIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := plan.Load(strings.NewReader(canary))
		if err != nil {
			t.Fatal(err)
		}
		c := p.Spec.Strategy.Canary
		c.Steps = nil
		for w := 0; w < 90; {
			w += rapid.IntRange(1, 50).Draw(t, "rise")
			hold := plan.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "hold"))
			c.Steps = append(c.Steps, plan.Step{Weight: min(w, 99), Hold: hold})
		}
		f, err := forecast.Of(p, rapid.IntRange(1, 50).Draw(t, "replicas"))
		if err != nil {
			t.Fatal(err)
		}
		before, last := 0.0, f.Steps[len(f.Steps)-1]
		for i, s := range f.Steps {
			switch {
			case s.Number != i+1, s.UserMinutes < before:
				t.Fatalf("step %d: %+v", i+1, s)
			case s.Share > 0 && *s.ExtraPods == 0 && s.Number != last.Number:
				t.Fatalf("step %d: stable is gone, and users are on the candidate", s.Number)
			case (s.Number == f.NoReturn) != (s.Number > 1 && strings.HasPrefix(s.Undo[0], "not any more")):
				t.Fatalf("step %d: undo %q", s.Number, s.Undo)
			}
			before = s.UserMinutes
		}
		if f.NoReturn != last.Number || *last.ExtraPods != 0 || f.Blast.UserMinutes != before || f.AtMost < f.Takes {
			t.Fatalf("%+v", f)
		}
	})
}

func TestAForecastSaysWhyTheStrategyWasChosen(t *testing.T) {
	f := of(t, head+measured+"  strategy: {auto: {criticality: high, budget: double}}\n", 0)
	require.Equal(t, "blueGreen", f.Strategy)
	require.Contains(t, f.Chosen.Reasons[0], "criticality is high")
}
