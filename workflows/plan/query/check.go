// SPDX-License-Identifier: Apache-2.0

package query

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// MaxLength of a query, in bytes.
const MaxLength = 4096

// Counter refuses what does not select the counters of one track: they are read as they were stored, so a rate, a
// sum or a range has no place.
func Counter(text string) error {
	_, err := counters(text)
	return err
}

// Histogram refuses what does not select the histograms of one track by the name that they have without _bucket.
func Histogram(text string) error {
	s, err := counters(text)
	if err != nil {
		return err
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(s.Name, suffix); ok {
			return fmt.Errorf("names the histogram itself: write %s, without %s", base, suffix)
		}
	}
	for _, m := range s.LabelMatchers {
		if m.Name == labels.BucketLabel {
			return errors.New("leave the label le out: all boundaries that are judged are read")
		}
	}
	return parses(With(probed(text), []string{s.Name + "_bucket", s.Name}, `le=~"1|\\+Inf"`))
}

// Level refuses what does not give one number for one track, such as max(…) of a gauge.
func Level(text string) error {
	expr, err := parse(text)
	if err != nil {
		return err
	}
	switch expr.Type() {
	case parser.ValueTypeScalar:
	case parser.ValueTypeVector:
		if a, ok := bare(expr).(*parser.AggregateExpr); ok && len(a.Grouping) > 0 && !a.Without {
			return fmt.Errorf("must give one number for a track, and %s by (%s) gives several: leave the by out", a.Op, strings.Join(a.Grouping, ", "))
		}
		if _, ok := bare(expr).(*parser.VectorSelector); ok {
			return fmt.Errorf("must give one number for a track, and a selector gives one for each series: write max(%s)", text)
		}
	case parser.ValueTypeNone, parser.ValueTypeMatrix, parser.ValueTypeString:
		return fmt.Errorf("must give one number for a track, not a %s", parser.DocumentedType(expr.Type()))
	}
	return used(text, expr)
}

// bare is an expression without the parentheses around it.
func bare(e parser.Expr) parser.Expr {
	for {
		p, ok := e.(*parser.ParenExpr)
		if !ok {
			return e
		}
		e = p.Expr
	}
}

// counters is the selector that a query must be.
func counters(text string) (*parser.VectorSelector, error) {
	expr, err := parse(text)
	if err != nil {
		return nil, err
	}
	s, ok := expr.(*parser.VectorSelector)
	if !ok {
		return nil, errors.New(instead(expr))
	}
	switch {
	case s.OriginalOffset != 0 || s.OriginalOffsetExpr != nil || s.Timestamp != nil || s.StartOrEnd != 0:
		return nil, errors.New("leave offset and @ out: both tracks are counted at the same moments")
	case s.Anchored || s.Smoothed:
		return nil, errors.New("leave anchored and smoothed out: the samples are read as they were stored")
	}
	if err := used(text, expr); err != nil {
		return nil, err
	}
	if s.Name == "" || Name(text) != s.Name {
		return nil, errors.New("begin with the name of the metric, such as payments_total{…}")
	}
	// What is asked later is this text with a range behind it.
	if err := parses(Over(probed(text), 1000)); err != nil {
		return nil, fmt.Errorf("must be a selector and nothing else: %w", err)
	}
	return s, nil
}

// parses reports whether a text is a query, of a kind that has a range where it ends with one.
func parses(text string) error {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return fmt.Errorf("cannot be asked for its samples: %w", err)
	}
	if _, ok := expr.(*parser.MatrixSelector); !ok && strings.HasSuffix(text, "]") {
		return errors.New("leave the comment out")
	}
	return nil
}

// instead says what to write in the place of an expression that is more than a selector.
func instead(e parser.Expr) string {
	const why = ": growth, resets and new series are counted from the stored samples, and all series that match are added up"
	switch e := e.(type) {
	case *parser.MatrixSelector:
		return "leave the range out" + why
	case *parser.Call:
		return fmt.Sprintf("write the counter itself, without %s()%s", e.Func.Name, why)
	case *parser.AggregateExpr:
		return fmt.Sprintf("write the counter itself, without %s()%s", e.Op, why)
	case *parser.ParenExpr:
		return "leave the parentheses out"
	}
	return "must select counters, such as payments_total{…}, and compute nothing" + why
}

// parse reads a query whose variables are known, with a name that stands for each.
func parse(text string) (parser.Expr, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, errors.New("must not be empty")
	case len(text) > MaxLength:
		return nil, fmt.Errorf("must be at most %d characters", MaxLength)
	}
	names := make([]string, 0)
	for _, v := range (Track{}).variables() {
		names = append(names, "{{"+v.name+"}}")
	}
	if strings.Contains(probed(text), "{{") {
		return nil, fmt.Errorf("has a variable that nobody knows; there are %s", strings.Join(names, ", "))
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(probed(text))
	if err != nil {
		return nil, complaint(text, err)
	}
	return expr, nil
}

// complaint is the first one of the parser, in the words and at the place of the text that a person wrote.
func complaint(text string, err error) error {
	var all parser.ParseErrors
	if !errors.As(err, &all) || len(all) == 0 {
		return fmt.Errorf("is not PromQL: %w", err)
	}
	message := all[0].Err.Error()
	for _, v := range probe().variables() {
		message = strings.ReplaceAll(message, v.value, "{{"+v.name+"}}")
	}
	if message != all[0].Err.Error() {
		message += `; variables stand within quotes: {namespace="{{namespace}}"}`
	}
	return fmt.Errorf("is not PromQL: %s, at character %d", message, written(text, int(all[0].PositionRange.Start))+1)
}

// written is the place in a text of a place in what it is with its variables filled in.
func written(text string, place int) int {
	grown := 0
	for _, found := range braces().FindAllStringIndex(text, -1) {
		if place <= found[0]+grown {
			break
		}
		grown += len(probed(text[found[0]:found[1]])) - (found[1] - found[0])
	}
	return min(max(place-grown, 0), len(text))
}

// probe is a track whose names are told from all that people write.
func probe() Track {
	return Track{Namespace: "slipway0namespace0", Service: "slipway0service0", Deployment: "slipway0deployment0", Name: "slipway0track0"}
}

func probed(text string) string { return Fill(text, probe()) }

// used checks that variables stand within the values of labels, and that one of them tells the tracks apart.
func used(text string, expr parser.Expr) error {
	uses := map[string]int{}
	for _, found := range braces().FindAllString(text, -1) {
		uses[nameOf(found)]++
	}
	tells := false
	for _, v := range probe().variables() {
		n := 0
		for _, m := range matchers(expr) {
			count := strings.Count(m.Value, v.value)
			if count > 0 && v.expression && m.Type != labels.MatchRegexp {
				return fmt.Errorf(`{{%s}} is a regular expression: write %s=~"{{%s}}"`, v.name, m.Name, v.name)
			}
			n += count
		}
		if v.name == "deployment" { // the names of pods begin with it
			n -= uses["pods"]
		}
		if n != uses[v.name] {
			return fmt.Errorf(`{{%s}} must stand in the value of a label, such as {namespace="{{namespace}}"}`, v.name)
		}
		tells = tells || v.tells && n > 0
	}
	if !tells {
		return errors.New("must name the track, by one of {{service}}, {{deployment}}, {{pods}} and {{track}}; else both tracks are the same to it")
	}
	return nil
}

// matchers are those of all selectors of an expression, that of the name left out.
func matchers(expr parser.Expr) []*labels.Matcher {
	var out []*labels.Matcher
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			for _, m := range s.LabelMatchers {
				if m.Name != model.MetricNameLabel {
					out = append(out, m)
				}
			}
		}
		return nil
	})
	return out
}
