// SPDX-License-Identifier: Apache-2.0

package forecast

import (
	"errors"
	"slices"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// Forecast is what a release by a plan would do.
type Forecast struct {
	Service     string `json:"service"`
	Environment string `json:"environment"`
	Strategy    string `json:"strategy"`
	// Chosen says why, where the plan left the choice to Slipway.
	Chosen *plan.Choice `json:"chosen,omitempty"`
	// Replicas is how many pods stable has; 0: not known.
	Replicas int    `json:"replicas,omitempty"`
	Steps    []Step `json:"steps"`
	// Takes is the expected time, without the waits whose end nobody can know.
	Takes plan.Duration `json:"takes"`
	// AtMost is the time of a release in which every wait lasts to its bound and still ends well. Left
	// out are pauses, and questions about what cannot be measured.
	AtMost plan.Duration `json:"atMost"`
	Cost   Cost          `json:"cost"`
	Blast  Blast         `json:"blast"`
	// UndoWithin bounds the longest undo while the cluster answers; Back says how soon users feel it.
	UndoWithin plan.Duration `json:"undoWithin"`
	Back       string        `json:"back"`
	// NoReturn is the number of the step from which on undo is refused; WayBack is the command for after it.
	NoReturn int    `json:"noReturn"`
	WayBack  string `json:"wayBack"`
	// Warnings say where the plan cannot work at the traffic that was asked about.
	Warnings []string `json:"warnings,omitempty"`
	// Rules are conditions of the plan's own that no candidate may meet.
	Rules []plan.Rule `json:"rules,omitempty"`
	// Unmeasured is what a step waits for, beyond its time, when it cannot be measured.
	Unmeasured *Unmeasured `json:"unmeasured,omitempty"`
}

// Step is one thing that a release does.
type Step struct {
	// Number from 1.
	Number int    `json:"number"`
	What   string `json:"what"`
	// Share of users on the new version during the step, 0 to 100 percent.
	Share int `json:"share"`
	// Takes is how long it takes for sure; left out when it takes moments or lasts Until something.
	Takes plan.Duration `json:"takes,omitempty"`
	// WarmUp is the part of Takes that is not compared.
	WarmUp plan.Duration `json:"warmUp,omitempty"`
	// Until is what ends the step, or what comes before Takes begins; Within bounds every wait in it.
	Until  string        `json:"until,omitempty"`
	Within plan.Duration `json:"within,omitempty"`
	// Extra pods beside those of the service, as a number or as a share of them; ExtraPods is their number,
	// null where nobody has said how many pods the service has.
	Extra     plan.Size `json:"extra"`
	ExtraPods *int      `json:"extraPods"`
	// UserMinutes per 100 users that a fault has cost which only the verdict at the end of this step finds.
	UserMinutes float64 `json:"userMinutes"`
	// Undo is what a release does that goes wrong here, last action first; empty while there is nothing to undo.
	Undo []string `json:"undo"`
	// UndoWithin bounds that; left out when it takes moments.
	UndoWithin plan.Duration `json:"undoWithin,omitempty"`
	// Sight is what the step sees of its candidate, where somebody has said what traffic the service gets.
	Sight *Sight `json:"sight,omitempty"`
}

// Cost is what runs beside the pods of the service.
type Cost struct {
	// Extra pods at the peak, and their number, as in a step.
	Extra     plan.Size `json:"extra"`
	ExtraPods *int      `json:"extraPods"`
	// For how long there are extra pods, without the waits whose end nobody can know.
	For plan.Duration `json:"for"`
	// PodHours over the release, in extra pods × hours; null where the number of pods is not known.
	PodHours *float64 `json:"podHours"`
}

// Blast is the blast radius: how long how many users are exposed to the new version before it has been
// judged. One user-minute is one user on the new version for one minute; it is counted per 100 users
// of the service, and requests stand for users. A step of weight 25 that is judged after 10m costs 25 × 10 =
// 250 user-minutes per 100 users. Waits whose end nobody can know, such as gates, are not in it.
type Blast struct {
	// UserMinutes per 100 users over all steps: a fault that only the last verdict finds has cost that much.
	UserMinutes float64 `json:"userMinutes"`
	// BeforePromotion is the part of it before everybody is sent to the new version.
	BeforePromotion float64 `json:"beforePromotion"`
	// FirstLook is what a fault costs that shows in the first look after the warm-up: a failed verdict ends a
	// step at once. Null where the pods alone are watched.
	FirstLook *float64 `json:"firstLook"`
}

// Unmeasured is what happens to a step without a verdict.
type Unmeasured struct {
	// Patience is how much longer it is tried.
	Patience plan.Duration `json:"patience"`
	// AskWithin is how long people are asked then; without their answer the release is undone.
	AskWithin plan.Duration `json:"askWithin"`
}

// Of is the forecast for a plan that [plan.Load] has read, and for a service of that many pods; 0 when
// the number is not known. It is an error if a plan counts its batches in pods and the number is not known, or if
// so many pods cannot make the weights of a canary without a router.
func Of(p plan.Plan, replicas int) (Forecast, error) {
	s := &script{plan: p, replicas: replicas}
	switch st := p.Spec.Strategy; {
	case st.Rolling != nil:
		if replicas == 0 && slices.ContainsFunc(st.Rolling.Batches, func(b plan.Size) bool { return !b.Percent }) {
			return Forecast{}, errors.New("the plan counts its batches in pods: say how many the service has")
		}
		s.rolling(*st.Rolling)
	case st.Canary != nil:
		c := *st.Canary
		if p.Spec.Traffic.Replicas != nil && replicas > 0 {
			var err error
			if c.Steps, err = byPods(c, replicas); err != nil {
				return Forecast{}, err
			}
		}
		s.canary(c)
	case st.BlueGreen != nil:
		s.blueGreen(*st.BlueGreen)
	}
	return s.total(), nil
}

// total adds the steps up.
func (s *script) total() Forecast {
	f := Forecast{
		Service: s.plan.Metadata.Name, Environment: s.plan.Metadata.Environment, Strategy: s.plan.Spec.Strategy.Name(),
		Chosen: s.plan.Spec.Strategy.Chosen, Replicas: s.replicas, Steps: s.steps,
		Back: s.back, NoReturn: s.noReturn, WayBack: s.wayBack,
		Cost: s.cost(), Blast: s.blast(),
	}
	for _, step := range s.steps {
		f.Takes += step.Takes
		f.AtMost += step.Takes + step.Within
		f.UndoWithin = max(f.UndoWithin, step.UndoWithin)
	}
	if a := s.plan.Spec.Analysis; a != nil {
		f.Unmeasured = &Unmeasured{Patience: a.Patience, AskWithin: a.AskWithin}
		if a.Guards != nil {
			f.Rules = a.Guards.Rules
		}
	}
	return f
}

func (s *script) cost() Cost {
	var c Cost
	hours, known := 0.0, true
	for _, step := range s.steps {
		if step.Extra.N == 0 {
			continue
		}
		// A release asks for the same number from the first extra pod to the last.
		c.Extra, c.ExtraPods = step.Extra, step.ExtraPods
		c.For += step.Takes
		if known = known && step.ExtraPods != nil; known {
			hours += float64(*step.ExtraPods) * step.Takes.D().Hours()
		}
	}
	if c.Extra.N == 0 {
		c.ExtraPods = new(int)
	}
	if known {
		c.PodHours = &hours
	}
	return c
}

func (s *script) blast() Blast {
	var b Blast
	for _, step := range s.steps {
		b.UserMinutes = max(b.UserMinutes, step.UserMinutes)
		if step.Share < 100 {
			b.BeforePromotion = max(b.BeforePromotion, step.UserMinutes)
		}
		if b.FirstLook == nil && step.Share > 0 && step.WarmUp > 0 {
			first := exposed(step.Share, step.WarmUp+s.plan.Spec.Analysis.Interval)
			b.FirstLook = &first
		}
	}
	return b
}

// exposed is a share of 100 users for some time, in user-minutes.
func exposed(share int, d plan.Duration) float64 { return float64(share) * d.D().Minutes() }
