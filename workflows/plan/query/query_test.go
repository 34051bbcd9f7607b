// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/plan/query"
)

func checkout() query.Track {
	return query.Track{Namespace: "shop", Service: "checkout-green", Deployment: "checkout-green", Name: "candidate"}
}

func TestVariablesAreFilledInWithATrack(t *testing.T) {
	for text, want := range map[string]string{
		`a{n="{{namespace}}",s="{{ service }}",d="{{deployment}}"}`: `a{n="shop",s="checkout-green",d="checkout-green"}`,
		`a{pod=~"{{pods}}"}`:           `a{pod=~"checkout-green-[a-z0-9]{1,10}-[a-z0-9]{5}"}`,
		`a{t='{{track}}'}`:             `a{t='candidate'}`,
		`a{x="{{target}}",y="{name}"}`: `a{x="{{target}}",y="{name}"}`,
	} {
		require.Equal(t, want, query.Fill(text, checkout()))
	}
	require.Equal(t, `a{n="\",x=~\".*"}`, query.Fill(`a{n="{{namespace}}"}`, query.Track{Namespace: `",x=~".*`}), "a name ends no string")
}

func TestCounters(t *testing.T) {
	for text, want := range map[string]string{
		`rpcs_total{namespace="{{namespace}}",pod=~"{{pods}}"}`:               "",
		"rpcs_total {\n  pod =~ '{{ pods }}',\n}":                             "",
		`rpcs_total{job="a",deployment="{{deployment}}",code!~"OK|Canceled"}`: "",
		`job:rpcs:sum{track="{{track}}"}`:                                     "",
		``:                                                                    "must not be empty",
		"  ":                                                                  "must not be empty",
		`rpcs_total{code="5.."}`:                                              "must name the track, by one of {{service}}, {{deployment}}, {{pods}} and {{track}}",
		`rpcs_total{n="{{namespace}}"}`:                                       "must name the track",
		`rpcs_total`:                                                          "must name the track",
		`rpcs_total{service="{{target}}"}`:                                    "has a variable that nobody knows; there are {{namespace}}, {{service}}",
		`rpcs_total{service="{{ .Service }}"}`:                                "has a variable that nobody knows",
		`rpcs_total{service={{service}}}`:                                     `is not PromQL: unexpected identifier "{{service}}" in label matching, expected string; variables stand within quotes: {namespace="{{namespace}}"}, at character 20`,
		`rpcs_total{service="{{service}}"`:                                    "is not PromQL: ",
		`rpcs_total{a="{{namespace}}",service="{{service}}",b=c}`:             `unexpected identifier "c" in label matching, expected string, at character 54`,
		`{{service}}_total{a="b"}`:                                            "{{service}} must stand in the value of a label",
		`rpcs_total{pod="{{pods}}"}`:                                          `{{pods}} is a regular expression: write pod=~"{{pods}}"`,
		`rpcs_total{pod=~"{{pods}}"}[5m]`:                                     "leave the range out: ",
		`rate(rpcs_total{pod=~"{{pods}}"}[5m])`:                               "write the counter itself, without rate(): ",
		`sum by (code) (rpcs_total{pod=~"{{pods}}"})`:                         "write the counter itself, without sum(): ",
		`(rpcs_total{pod=~"{{pods}}"})`:                                       "leave the parentheses out",
		`rpcs_total{pod=~"{{pods}}"} / 2`:                                     "must select counters",
		`rpcs_total{pod=~"{{pods}}"} or b`:                                    "must select counters",
		`rpcs_total{pod=~"{{pods}}"} offset 5m`:                               "leave offset and @ out",
		`rpcs_total{pod=~"{{pods}}"} @ end()`:                                 "leave offset and @ out",
		`rpcs_total{pod=~"{{pods}}"} @ 10`:                                    "leave offset and @ out",
		`{__name__="rpcs_total",pod=~"{{pods}}"}`:                             "begin with the name of the metric",
		"rpcs_total{pod=~\"{{pods}}\"} # all of them":                         "leave the comment out",
		`rpcs_total{pod=~"{{pods}}",code=~"("}`:                               "is not PromQL: ",
		"7":                                                                   "must select counters",
		`rpcs_total{pod=~"{{pods}}",a="` + strings.Repeat("x", query.MaxLength) + `"}`: "must be at most 4096 characters",
	} {
		err := query.Counter(text)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
}

func TestHistograms(t *testing.T) {
	for text, want := range map[string]string{
		`rpc_seconds{pod=~"{{pods}}"}`:                          "",
		`rpc_seconds{pod=~"{{pods}}",}`:                         "",
		`rpc_seconds_bucket{pod=~"{{pods}}"}`:                   "names the histogram itself: write rpc_seconds, without _bucket",
		`rpc_seconds_count{pod=~"{{pods}}"}`:                    "without _count",
		`rpc_seconds{pod=~"{{pods}}",le="0.5"}`:                 "leave the label le out",
		`histogram_quantile(0.9, rpc_seconds{pod=~"{{pods}}"})`: "write the counter itself, without histogram_quantile()",
	} {
		err := query.Histogram(text)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
}

func TestLevels(t *testing.T) {
	for text, want := range map[string]string{
		`max(rate(cpu_seconds_total{pod=~"{{pods}}"}[1m]))`:                     "",
		`max(mem{pod=~"{{pods}}"} / on (pod) limit{namespace="{{namespace}}"})`: "",
		`scalar(max(mem{pod=~"{{pods}}"}))`:                                     "",
		`mem{pod=~"{{pods}}"}`:                                                  `must give one number for a track, and a selector gives one for each series: write max(mem{pod=~"{{pods}}"})`,
		`max by (pod) (mem{pod=~"{{pods}}"})`:                                   "max by (pod) gives several: leave the by out",
		`mem{pod=~"{{pods}}"}[5m]`:                                              "not a range vector",
		`"{{service}}"`:                                                         "not a string",
		`max(mem)`:                                                              "must name the track",
		`label_replace(max(mem{pod=~"{{pods}}"}), "a", "{{service}}", "b", "c")`: "{{service}} must stand in the value of a label",
	} {
		err := query.Level(text)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
}

func TestASelectorIsAskedForOtherNamesAndBoundaries(t *testing.T) {
	for text, want := range map[string]string{
		`rpc{pod="a"}`:     `{__name__=~"rpc_bucket|rpc",le=~"1",pod="a"}`,
		`rpc { pod="a", }`: `{__name__=~"rpc_bucket|rpc",le=~"1",pod="a"}`,
		`rpc{}`:            `{__name__=~"rpc_bucket|rpc",le=~"1"}`,
		`rpc`:              `{__name__=~"rpc_bucket|rpc",le=~"1"}`,
	} {
		require.Equal(t, want, query.With(text, []string{"rpc_bucket", "rpc"}, `le=~"1"`))
		require.Equal(t, "rpc", query.Name(text))
	}
}

func FuzzQueriesThatAreAcceptedCanBeAsked(f *testing.F) {
	for _, text := range []string{
		`rpcs_total{namespace="{{namespace}}",pod=~"{{pods}}"}`, `a{b='{{service}}'}`, "a{b=`{{track}}`}", `a{b="\"{{service}}"} # c`,
		`a{b="{{service}}"} offset 1m`, `max(a{b="{{deployment}}"})`, `{"a b", c="{{service}}"}`, `a{b="{{service}}",c="}"}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := parser.NewParser(parser.Options{})
		stable := query.Track{Namespace: "shop", Service: "checkout", Deployment: "checkout", Name: "stable"}
		asks := func(text string) parser.Expr {
			e, err := p.ParseExpr(text)
			require.NoError(t, err, text)
			return e
		}
		if query.Counter(text) == nil {
			one, other := query.Fill(text, stable), query.Fill(text, checkout())
			require.NotEqual(t, one, other, "the tracks are told apart")
			require.IsType(t, &parser.MatrixSelector{}, asks(query.Over(one, 1000)))
			require.IsType(t, &parser.MatrixSelector{}, asks(query.Over(other, 1000)))
		}
		if query.Histogram(text) == nil {
			one := query.Fill(text, checkout())
			require.IsType(t, &parser.VectorSelector{}, asks(query.With(one, []string{query.Name(one) + "_bucket"}, `le="1"`)))
		}
		if query.Level(text) == nil {
			asks(query.Fill(text, checkout()))
		}
	})
}
