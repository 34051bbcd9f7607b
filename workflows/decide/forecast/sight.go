// SPDX-License-Identifier: Apache-2.0

package forecast

import (
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Traffic is what a service gets.
type Traffic struct {
	// Rate of its requests per second, above 0.
	Rate float64 `json:"rate"`
	// Errors is the share of failed requests, above 0 to 1.
	Errors float64 `json:"errors"`
}

// Sight is what a step can see of its candidate at some traffic. Times include the warm-up; a year stands for never.
type Sight struct {
	// Passed is how long the step takes to prove a candidate acceptable that is as good as stable.
	Passed plan.Duration `json:"passed"`
	// Unacceptable is the share of failed requests that the plan calls so, 0 to 1, and Caught when four of five
	// candidates that fail so many have been rolled back.
	Unacceptable float64       `json:"unacceptable"`
	Caught       plan.Duration `json:"caught"`
	// Smallest is the share of failed requests that four of five times is rolled back within the step, 0 to 1; 1: none is.
	Smallest float64 `json:"smallest"`
}

// See adds to each step of a canary what it sees, and says where the plan cannot work at this traffic. A plan
// that measures nothing sees nothing.
func (f *Forecast) See(p plan.Plan, t Traffic) {
	a := p.Spec.Analysis
	if a == nil || a.Source.Prometheus == nil || p.Spec.Strategy.Canary == nil {
		return
	}
	settings := judge.New(*a, supposed(*a, t))
	for i := range f.Steps {
		s := &f.Steps[i]
		if s.Share == 0 || s.Share == 100 || s.Takes == 0 {
			continue
		}
		s.Sight = see(&settings, a, s, t)
		if most := s.Takes + a.Patience; s.Sight.Passed > most {
			f.Warnings = append(f.Warnings, fmt.Sprintf(
				"step %d cannot be passed in the %s of its hold and the patience at %g requests/s: it takes %s; hold longer, begin with more than %d %%, or raise analysis.errors.margin",
				s.Number, most, t.Rate, s.Sight.Passed, s.Share))
		}
	}
}

// supposed is a history in which the dispersion is known, where the source can tell pods apart.
func supposed(a plan.Analysis, t Traffic) judge.History {
	if !a.Source.Prometheus.ByPod() {
		return judge.History{}
	}
	return judge.Supposed(t.Errors)
}

func see(settings *judge.Settings, a *plan.Analysis, s *Step, t Traffic) *Sight {
	traffic := judge.Traffic{Rate: t.Rate, Share: float64(s.Share) / 100, Errors: t.Errors}
	judged := max(s.Takes-s.WarmUp, 0)
	out := &Sight{
		Passed:       whole(settings.Proving(traffic)) + a.WarmUp,
		Unacceptable: min(float64(a.Errors.Unacceptable)*t.Errors+*a.Errors.Margin/100, 1),
		Smallest:     settings.Smallest(traffic, judged.D()),
	}
	out.Caught = whole(settings.Detection(traffic, out.Unacceptable, judge.FourFifths)) + a.WarmUp
	return out
}

// whole seconds: more would only look exact.
func whole(d time.Duration) plan.Duration { return plan.Duration(d.Round(time.Second)) }
