// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/workflows/decide"
)

// Verdict is a finding as a release acts on it, with what was seen in one plain sentence.
func (s *State) Verdict(p *Settings, f Finding) decide.Verdict {
	v := decide.Verdict{Reason: s.Explain(p, f) + s.dryRun(p), Evidence: short(f.Evidence), Unproven: f.Kind == Unproven}
	v.Stable, v.Candidate = s.Counted(p)
	v.Outcome = f.Outcome()
	return v
}

// Outcome of the verdict that a finding is.
func (f Finding) Outcome() decide.Outcome {
	switch f.Kind {
	case Advance:
		return decide.Pass
	case Rollback, Catastrophe:
		return decide.Fail
	case Warming, Quiet, Blind, Share, Incident, Suspicious, Unproven:
	}
	return decide.Unknown
}

// Counted are the requests of this step that were judged.
func (s *State) Counted(p *Settings) (stable, candidate decide.Counts) {
	step := s.Steps[len(s.Steps)-1]
	for m := range p.Metrics {
		sum, upTo := step.Sums[m], p.Metrics[m].UpTo
		if upTo == 0 {
			candidate.Errors, candidate.Requests, stable.Errors, stable.Requests = sum[0], sum[1], sum[2], sum[3]
			continue
		}
		candidate.Timed, stable.Timed = math.Max(candidate.Timed, sum[1]), math.Max(stable.Timed, sum[3])
		candidate.Buckets = append(candidate.Buckets, decide.Bucket{UpTo: upTo, Count: sum[1] - sum[0]})
		stable.Buckets = append(stable.Buckets, decide.Bucket{UpTo: upTo, Count: sum[3] - sum[2]})
	}
	return stable, candidate
}

// Explain says in one sentence what was seen, and what follows.
func (s *State) Explain(p *Settings, f Finding) string {
	if f.Says != "" {
		return f.Says
	}
	switch f.Kind {
	case Rollback:
		return fmt.Sprintf("%s. Evidence %s, limit %s: %s", s.seen(p, f.Metric), against(f.Evidence), against(p.Alarm), odd(p))
	case Catastrophe:
		return s.absolute(p, f.Metric)
	case Warming:
		return fmt.Sprintf("warming up: the first %s at this weight are not judged", span(p.WarmUp))
	case Quiet:
		return fmt.Sprintf("the candidate has had no requests for %d ticks of %s", s.Quiet, span(p.Interval))
	case Blind:
		return s.Gap
	case Share:
		n := s.Routed[0] + s.Routed[1]
		return fmt.Sprintf("the router sends %.1f %% of requests to the candidate, not %d %%", 100*s.Routed[1]/n, s.Weight)
	case Incident:
		return s.incident(p)
	case Suspicious:
		return fmt.Sprintf("%s. Evidence %s is short of the limit of %s, but too much to go on", s.seen(p, f.Metric), against(f.Evidence), against(p.Alarm))
	case Unproven:
		return s.missing(p, f)
	case Advance:
	}
	switch {
	case p.alone:
		return s.seen(p, 0)
	case math.IsInf(f.Certificate, 1):
		return s.seen(p, 0) + ". No metric decides: all are in dry run"
	}
	return fmt.Sprintf("%s. Proven to be acceptable, by %s", s.seen(p, 0), against(f.Certificate))
}

// odd says how seldom a good release comes as far as this.
func odd(p *Settings) string {
	if p.alone {
		return "one that is acceptable gets this far in at most 1 of " + number(p.Alarm/2) + " releases"
	}
	return "a release as good as stable gets this far in at most 1 of " + number(p.Alarm/2)
}

// seen are the counts of a metric in this step, and how they compare.
func (s *State) seen(p *Settings, metric int) string {
	m := &p.Metrics[metric]
	o := s.Steps[len(s.Steps)-1].Sums[metric].outcome()
	verb := "failed"
	if m.UpTo > 0 {
		verb = "was slower than " + seconds(m.UpTo) + " in"
	}
	text := fmt.Sprintf("candidate %s %s", verb, ofRequests(o.x, o.nc))
	if p.alone {
		return fmt.Sprintf("%s; up to %s is acceptable by what stable did before", text, percent(m.ceiling))
	}
	text += ", stable " + ofRequests(o.y, o.nb)
	if i, ok := s.Ratio(p, metric); ok {
		text += ": "
		if !math.IsInf(i.Ratio, 0) {
			text += times(i.Ratio) + ", "
		}
		most := times(i.High)
		if i.High >= widest {
			most = "over " + most
		}
		text += fmt.Sprintf("95 %% interval %s to %s, tolerance %s", times(i.Low), most, times(m.tolerated.ratio))
	}
	return text
}

// Ratio is the always-valid interval of a metric's ratio, over all steps; false while there is nothing to say.
func (s *State) Ratio(p *Settings, metric int) (Interval, bool) {
	all := make([]outcome, 0, len(s.Steps))
	for i := range s.Steps {
		all = append(all, s.Steps[i].Sums[metric].outcome())
	}
	return interval(all, p.Metrics[metric].Phi)
}

// absolute is the sentence of a catastrophe.
func (s *State) absolute(p *Settings, metric int) string {
	m, run := &p.Metrics[metric], s.Over[metric][overAlone]
	what := "failed"
	if m.UpTo > 0 {
		what = "was slower than " + seconds(m.UpTo) + " in"
	}
	text := fmt.Sprintf("candidate %s %s in %s, over the absolute limit of %s", what, ofRequests(run.Bad, run.Of),
		span(time.Duration(run.Ticks)*p.Interval), percent(m.Absolute))
	if p.alone {
		return text
	}
	o := s.Steps[len(s.Steps)-1].Sums[metric].outcome()
	if o.nb == 0 || o.y > m.Absolute*o.nb { // there was an incident before, which is over
		return text + ", which stable keeps"
	}
	return text + fmt.Sprintf(", which stable keeps (%s)", ofRequests(o.y, o.nb))
}

func (s *State) incident(p *Settings) string {
	for m := range p.Metrics {
		candidate, stable := s.Over[m][overCandidate], s.Over[m][overStable]
		if candidate.Ticks > 0 && stable.Ticks > 0 && !p.Metrics[m].DryRun {
			what := "fail"
			if p.Metrics[m].UpTo > 0 {
				what = "are slower than " + seconds(p.Metrics[m].UpTo)
			}
			return fmt.Sprintf("this looks like an incident outside of the release: %s of stable's requests %s, and %s of the candidate's; the limit is %s",
				percent(stable.Bad/stable.Of), what, percent(candidate.Bad/candidate.Of), percent(p.Metrics[m].Absolute))
		}
	}
	return "both tracks are over an absolute limit"
}

// missing is what is needed before the candidate can pass.
func (s *State) missing(p *Settings, f Finding) string {
	step := s.Steps[len(s.Steps)-1]
	o := step.Sums[0].outcome()
	switch {
	case o.nc < p.Requests:
		return fmt.Sprintf("candidate answered %s of the %s requests a verdict needs", number(math.Floor(o.nc)), number(p.Requests))
	case o.nb < p.Requests && !p.alone:
		return fmt.Sprintf("stable answered %s of the %s requests a verdict needs", number(math.Floor(o.nb)), number(p.Requests))
	case !s.soaked(p):
		return fmt.Sprintf("judged for %s of at least %s", span(time.Duration(step.Ticks)*p.Interval), span(p.Soak))
	}
	for m := range p.Metrics {
		if sum := step.Sums[m]; p.Metrics[m].certify && !p.Metrics[m].DryRun && m > 0 && math.Min(sum[1], sum[3]) == 0 {
			return fmt.Sprintf("the histograms of the two tracks have no boundary of %s in common", seconds(p.Metrics[m].UpTo))
		}
	}
	return fmt.Sprintf("%s. Not yet proven to be acceptable: %s of %s", s.seen(p, 0), against(f.Certificate), against(p.Proof))
}

// Describe says how one track alone did.
func Describe(c decide.Counts) string { return "stable failed " + ofRequests(c.Errors, c.Requests) }

func ofRequests(bad, of float64) string {
	if of == 0 {
		return "none of no requests"
	}
	return fmt.Sprintf("%s of %s requests (%s)", number(bad), number(of), percent(bad/of))
}

// number writes 36700 as 36,700; fractions that interpolation has made are rounded away.
func number(v float64) string {
	digits := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

func times(ratio float64) string {
	if ratio < 10 {
		return strconv.FormatFloat(math.Round(ratio*100)/100, 'f', -1, 64) + "x"
	}
	return strconv.FormatFloat(math.Round(ratio), 'f', 0, 64) + "x"
}

// against is evidence as people say it: "58:1".
func against(evidence float64) string {
	switch {
	case evidence >= 1e6:
		return "over 1,000,000:1"
	case evidence < 10:
		return strconv.FormatFloat(math.Round(evidence*10)/10, 'f', -1, 64) + ":1"
	}
	return number(evidence) + ":1"
}

func seconds(s float64) string { return span(time.Duration(s * float64(time.Second))) }

// span writes 2m0s as 2m.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	return text
}

// short keeps three digits: a status is for reading.
func short(v float64) float64 {
	out, err := strconv.ParseFloat(strconv.FormatFloat(math.Min(v, 1e9), 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return out
}
