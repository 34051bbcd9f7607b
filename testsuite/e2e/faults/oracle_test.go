// SPDX-License-Identifier: Apache-2.0

package faults_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/e2e/faultproxy"
	"github.com/slipwayhq/slipway/testsuite/e2e/faults"
	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// serving is a world in which one track has pods and gets the requests.
func serving(track, image string) stage.World {
	labels := map[string]string{"track": track}
	one := func(name, image string, size int32) appsv1.DeploymentSpec {
		d := appsv1.DeploymentSpec{Replicas: &size}
		d.Template.ObjectMeta = metav1.ObjectMeta{Labels: map[string]string{"track": name}}
		d.Template.Spec.Containers = []corev1.Container{{Image: image}}
		return d
	}
	w := stage.World{
		Deployments: map[string]appsv1.DeploymentSpec{"shop": one("blue", "v1", 2)},
		Services:    map[string]corev1.ServiceSpec{"shop": {Selector: labels}},
	}
	if track == "green" {
		w.Deployments["shop"], w.Deployments["shop-green"] = one("blue", "v1", 0), one("green", image, 2)
	}
	return w
}

func seen(at time.Time, stable, candidate int) stage.Seen {
	s := stage.Seen{At: at, Weights: map[string]int{"shop": stable, "shop-green": candidate}, Candidate: candidate}
	if candidate == 0 {
		s.Weights = map[string]int{"shop": 1}
	}
	return s
}

// good is the account of a canary that was killed around a write and promoted all the same, and what is usual.
func good() (faults.Account, faults.Usual) {
	began := time.Unix(1000, 0)
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	usual := faults.Usual{
		Activities: map[string]int{"ShiftTraffic": 4}, Pods: 2, Kept: []string{"configmaps/slipway-NAME", "deployments/NAME-green", "leases/slipway-NAME"},
		Writes: []faults.Write{{Activity: "ShiftTraffic", Verb: "update", Resource: "httproutes", Object: "NAME", Nth: 1}},
	}
	return faults.Account{
		Case: faults.Case{ID: "canary/x", Way: faults.Way{Name: "canary", Steps: []int{20, 60, 100}, End: faults.Promoted}, Ends: []faults.End{faults.Promoted}, Exact: true},
		Shop: "shop", Image: "v2", Shares: []int{20, 60, 100, 0},
		States: []stage.Seen{seen(at(5), 80, 20), seen(at(6), 40, 60), seen(at(7), 0, 100), seen(at(9), 1, 0)},
		Ready:  []faults.Pods{{At: at(0), Deployment: "shop", Ready: 2}, {At: at(3), Deployment: "shop-green", Ready: 2}},
		Made:   2, Load: load.Report{Requests: 100}, Before: serving("blue", ""), After: serving("green", "v2"),
		Kept: usual.Kept, Record: activities.EndPromoted, Activities: map[string]int{"ShiftTraffic": 4}, Met: 1,
		Writes: []faultproxy.Call{{Activity: "ShiftTraffic", Verb: "update", Resource: "httproutes", Namespace: "shop", Object: "shop", Nth: 1}},
	}, usual
}

func TestAGoodAccountBreaksNoPromise(t *testing.T) {
	a, usual := good()
	require.Empty(t, faults.Judge(a, usual))

	a.Said.Code, a.Case.Ends, a.Case.Exact = 2, []faults.End{faults.Undone}, false
	a.Shares, a.States = []int{20, 0}, a.States[:1]
	a.After, a.Record, a.Kept = a.Before, activities.EndUndone, usual.Kept[:1]
	require.Empty(t, faults.Judge(a, usual), "taken back after its first step")

	a.Said = stage.Said{Code: 1, Out: "shop-1 refused: get Deployment: away; nothing was changed"}
	a.Case.Ends, a.Shares, a.States, a.Record = []faults.End{faults.Refused}, nil, nil, ""
	require.Empty(t, faults.Judge(a, usual), "refused by the preflight")
}

func TestEveryBrokenPromiseIsSeen(t *testing.T) {
	tests := map[string]struct {
		change func(*faults.Account)
		want   string
	}{
		"weights that sum to 99":              {func(a *faults.Account) { a.States[0].Weights["shop"] = 79 }, "I1: the weights"},
		"a weight before a pod was ready":     {func(a *faults.Account) { a.Ready[1].At = a.States[0].At.Add(3 * time.Second) }, "I2: 20 % were given"},
		"a weight for pods that are gone":     {func(a *faults.Account) { a.Ready[1].Ready = 0 }, "had no ready pod"},
		"a step that comes twice":             {func(a *faults.Account) { a.Shares = []int{20, 60, 20, 60, 100, 0} }, "I13: the shares"},
		"a step that is left out":             {func(a *faults.Account) { a.Shares = []int{20, 100, 0} }, "I13: the shares"},
		"a weight of no step":                 {func(a *faults.Account) { a.Shares = []int{20, 21, 60, 100, 0} }, "I13: the shares"},
		"a promotion that stopped on its way": {func(a *faults.Account) { a.Shares = []int{20, 0} }, "I13: promoted with the shares [20 0]"},
		"a route that is left split":          {func(a *faults.Account) { a.Shares = []int{20, 60, 100} }, "I13: the shares"},
		"a failed request":                    {func(a *faults.Account) { a.Load.Failed = 1 }, "I7: 1 of 100 requests failed"},
		"nobody who asks":                     {func(a *faults.Account) { a.Load.Requests = 0 }, "nobody sent a request"},
		"another end":                         {func(a *faults.Account) { a.Said.Code = 2 }, "I5: it ended with code 2"},
		"no end":                              {func(a *faults.Account) { a.Said.Code = 1 }, "I5: it ended with code 1"},
		"the old image after a promotion":     {func(a *faults.Account) { a.After = a.Before }, `I5: promoted, while "v1" serves`},
		"pods of both versions":               {func(a *faults.Account) { *a.After.Deployments["shop"].Replicas = 1 }, "and [shop] has pods"},
		"something left behind":               {func(a *faults.Account) { a.Kept = append(a.Kept, "httproutes/NAME-preview") }, "the world: httproutes/NAME-preview was left behind"},
		"a mark on the route":                 {func(a *faults.Account) { a.Marks = []string{"slipway.dev/safe-state"} }, "the world: the route still has"},
		"a record that is open":               {func(a *faults.Account) { a.Record = "" }, "the record of the safe state ended as"},
		"an activity too many":                {func(a *faults.Account) { a.Activities["ShiftTraffic"]++ }, "twice: other activities were scheduled"},
		"a pod too many":                      {func(a *faults.Account) { a.Made = 3 }, "twice: 3 pods were made"},
		"a write that nobody knows":           {func(a *faults.Account) { a.Case.ID, a.Writes[0].Resource = "canary/quiet", "secrets" }, "the writes are not those of writes.json"},
		"a write that is not made any more":   {func(a *faults.Account) { a.Case.ID, a.Writes = "canary/quiet", nil }, "the writes are not those of writes.json"},
		"a fault that was not met":            {func(a *faults.Account) { a.Met = 0 }, "no call met the fault"},
		"a script that failed":                {func(a *faults.Account) { a.Trouble = errors.New("never so") }, "the story: never so"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, usual := good()
			tt.change(&a)
			got := faults.Judge(a, usual)
			require.NotEmpty(t, got)
			require.Contains(t, got[0]+"\n"+got[len(got)-1], tt.want)
		})
	}

	t.Run("a release that was taken back and left something", func(t *testing.T) {
		a, usual := good()
		a.Said.Code, a.Case.Ends = 2, []faults.End{faults.Undone}
		got := faults.Judge(a, usual)
		require.Contains(t, got[0], "I5: undone, with this left behind")
	})
}
