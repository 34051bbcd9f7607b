// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"maps"
	"slices"

	"github.com/slipwayhq/slipway/testsuite/e2e/faultproxy"
)

// Case is one telling in which something goes wrong.
type Case struct {
	// ID by which one is told again.
	ID  string
	Way Way
	// Rules of the proxy before the API server, from the beginning.
	Rules []faultproxy.Rule
	// Script in the place of the way's own; nil: that.
	Script func(*Telling) error
	// Env of the candidate's image.
	Env map[string]string
	// Ends that are right.
	Ends []End
	// Exact is true where nothing may differ from a telling without faults but its time.
	Exact bool
	// Bad is true for a candidate whose own requests may fail, Calm where no call needs to meet a fault.
	Bad, Calm bool
	// Alone is true where the fault meets every release on the sandbox.
	Alone bool
}

func (c Case) script() func(*Telling) error {
	if c.Script != nil {
		return c.Script
	}
	return c.Way.Script
}

// Quiet is a way in which nothing goes wrong.
func Quiet(w Way) Case {
	return Case{ID: w.Name + "/quiet", Way: w, Ends: []End{w.End}, Exact: true, Calm: true}
}

func (c Case) quiet() bool { return c.ID == c.Way.Name+"/quiet" }

// moments at which the worker is killed, by their names in a case.
func moments() map[string]faultproxy.Moment {
	return map[string]faultproxy.Moment{
		"before-the-effect": faultproxy.BeforeEffect, "before-the-answer": faultproxy.AfterEffect, "after-the-answer": faultproxy.AfterAnswer,
	}
}

// kills are the cases in which the worker dies around a write.
func kills(w Way, write Write) []Case {
	var out []Case
	for _, name := range slices.Sorted(maps.Keys(moments())) {
		out = append(out, Case{
			ID: w.Name + "/" + write.String() + "/" + name, Way: w, Ends: []End{w.End}, Exact: true,
			Rules: []faultproxy.Rule{{Match: write.is, Nth: write.Nth, Fault: faultproxy.Fault{Kill: moments()[name]}}},
		})
	}
	return out
}

// Cases are the whole matrix: first each way as it is, then every write at every moment, then what else fails.
func Cases() []Case {
	var out []Case
	usual := UsualOf()
	for _, w := range Ways() {
		out = append(out, Quiet(w))
	}
	for _, w := range Ways() {
		for _, write := range usual[w.Name].Writes {
			out = append(out, kills(w, write)...)
		}
	}
	return append(out, others()...)
}
