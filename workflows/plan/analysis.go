// SPDX-License-Identifier: Apache-2.0

package plan

// What becomes of a step that has no verdict when patience has run out.
const (
	AfterPatienceAsk      = "ask"
	AfterPatiencePromote  = "promote"
	AfterPatienceRollback = "rollback"
)

// The presets of metric names.
const (
	// PresetTraefik knows Traefik's service metrics.
	PresetTraefik = "traefik"
	// PresetNGINX knows the canary metrics of ingress-nginx.
	PresetNGINX = "nginx"
	// PresetContour knows Contour's, which are Envoy's by cluster.
	PresetContour = "contour"
	// PresetIstio knows what the pods' own proxies count.
	PresetIstio = "istio"
	// PresetApp knows http_requests_total of the service's own pods.
	PresetApp = "app"
)

// Analysis compares the candidate with stable while both serve.
type Analysis struct {
	Source Source `json:"source"`
	// WarmUp is not judged, at the beginning of each step and of each pod's life; default 2m.
	WarmUp Duration `json:"warmUp,omitempty"`
	// Interval is the length of a tick: requests are counted and judged once per tick; default 10s, at least
	// 1s and at least the interval at which Prometheus scrapes.
	Interval Duration `json:"interval,omitempty"`
	// Block is how long failures of one burst may be apart, a whole multiple of interval; default 3 intervals.
	Block Duration `json:"block,omitempty"`
	// Soak is how long each step is judged at least, after its warm-up; default 2m.
	Soak Duration `json:"soak,omitempty"`
	// History is how far back stable's pods are looked at before a release; default 6h.
	History Duration `json:"history,omitempty"`
	// Window is how long stable is measured before a blue-green switch and before the first batch of rolling;
	// default 5m.
	Window Duration `json:"window,omitempty"`
	// MinRequests each track must have answered in a step before the candidate can pass; default 100.
	MinRequests int `json:"minRequests,omitempty"`
	// FalseAlarms is the percentage of releases within the tolerance that may be rolled back, 0.1 to 20;
	// default 5.
	FalseAlarms float64 `json:"falseAlarms,omitempty"`
	// Misses is the percentage of unacceptable releases that may be passed, 0.1 to 20; default 5.
	Misses float64 `json:"misses,omitempty"`
	// Patience is how much longer than the hold to wait for a verdict; default 10m.
	Patience Duration `json:"patience,omitempty"`
	// AfterPatience is what becomes of a step without a verdict. ask (default): the weight stays, and people
	// are asked. promote: if nothing speaks against the candidate and only proof is missing, the release goes
	// on with a warning, else people are asked. rollback: the release is undone.
	AfterPatience string `json:"afterPatience,omitempty"`
	// AskWithin is the deadline of that question; default 24h. At the deadline the release is undone.
	AskWithin Duration `json:"askWithin,omitempty"`
	Errors    *Errors  `json:"errors,omitempty"`
	Latency   *Latency `json:"latency,omitempty"`
	// Guards watch the pods, and levels such as memory, beside the requests. A candidate that breaks one is taken back at
	// once, where stable does not break it as well; if both do, that is an incident, and the weight stays. Pods are looked
	// at through Kubernetes; in a rolling release those of the new revision are the candidate's, those of others stable's.
	Guards *Guards `json:"guards,omitempty"`
}

// Source is where the numbers come from; exactly one field is set.
type Source struct {
	Prometheus *Prometheus `json:"prometheus,omitempty"`
}

// Prometheus reads request counters and duration histograms; exactly one field is set.
type Prometheus struct {
	// Preset knows the metric names. traefik, nginx and contour: what the gateway counts by backend Service. istio:
	// what the pods' proxies count by workload. app: http_requests_total{code} and http_request_duration_seconds of
	// the service's own pods. The last two tell pods apart, by the labels namespace and pod.
	Preset string `json:"preset,omitempty"`
	// Queries count by any other metrics. Each selects the counters of one track as they are stored, without rate, sum
	// and range: Slipway adds up the growth of all series that match. The track is named by variables within quotes:
	// {{namespace}}, {{service}}, {{deployment}}, {{pods}} (a regular expression of the Deployment's pods, for =~) and
	// {{track}} (stable or candidate).
	Queries *Queries `json:"queries,omitempty"`
}

// Queries select the counters of one track.
type Queries struct {
	// Requests selects all requests of a track, such as rpcs_total{namespace="{{namespace}}",pod=~"{{pods}}"}.
	Requests string `json:"requests"`
	// Failures selects those of them that have failed, such as
	// rpcs_total{namespace="{{namespace}}",pod=~"{{pods}}",code="Internal"}.
	Failures string `json:"failures"`
	// Durations selects their histogram, classic or native, by its name without _bucket; needed where latency is judged.
	Durations string `json:"durations,omitempty"`
	// Unit of the histogram's boundaries: 1s (default), 1ms or another one.
	Unit Duration `json:"unit,omitempty"`
	// Pod is the label that tells the service's own pods apart; left out where the series are not by pod, such as
	// those of a gateway. With it young pods are left out, and the pods' dispersion is known.
	Pod string `json:"pod,omitempty"`
}

// Errors limits the candidate's share of failed requests; it is judged also when left out.
type Errors struct {
	// Tolerate is how many times stable's share is as good as stable, 1 or more: nothing up to it is rolled
	// back for it; default 1.25x.
	Tolerate Ratio `json:"tolerate,omitempty"`
	// Unacceptable is the multiple of stable's share, with margin on top, that a step must be proven to be
	// below before it passes; default 2x, at least tolerate.
	Unacceptable Ratio `json:"unacceptable,omitempty"`
	// Margin on top of unacceptable, in percentage points, 0 to 100; default 0.5. The smaller, the more requests a
	// pass needs: about 300 divided by the margin.
	Margin *float64 `json:"margin,omitempty"`
	// SLO is the percentage of failed requests, above 0 to 100, over which a candidate is taken back at once if stable is
	// below it. If both are over it, that is an incident and nothing moves; default 10.
	SLO *float64 `json:"slo,omitempty"`
	// DryRun judges it, shows and records what it would have done, and decides nothing by it.
	DryRun bool `json:"dryRun,omitempty"`
}

// Latency limits the candidate's slowness; it is not judged when left out.
type Latency struct {
	// Tolerate is how many times as many requests may be slower than stable's 75th to 99.9th percentiles, 1 or
	// more; default 1.25x.
	Tolerate Ratio `json:"tolerate,omitempty"`
	// Unacceptable is the multiple of stable's slow requests, with margin on top, that a step must be proven to be below;
	// default 2x, at least tolerate.
	Unacceptable Ratio `json:"unacceptable,omitempty"`
	// Margin on top of unacceptable, in percentage points, 0 to 100; default 1.
	Margin *float64 `json:"margin,omitempty"`
	// SLO is an absolute limit on top; it does not count while stable exceeds it as well.
	SLO *SLO `json:"slo,omitempty"`
	// DryRun judges it, shows and records what it would have done, and decides nothing by it.
	DryRun bool `json:"dryRun,omitempty"`
}

// SLO is a limit that holds as long as stable keeps it too.
type SLO struct {
	// P99 that the candidate must not exceed.
	P99 Duration `json:"p99"`
}

// Guards stop what requests do not show.
type Guards struct {
	// Restarts of containers; default 3 in 10m.
	Restarts *Times `json:"restarts,omitempty"`
	// OOMKills are containers that were ended for want of memory; default 1 in 30m.
	OOMKills *Times `json:"oomKills,omitempty"`
	// Flapping are pods that stop being ready after they were, 5 in 10m where nothing is written; not watched when
	// left out.
	Flapping *Times `json:"flapping,omitempty"`
	// Saturation are levels such as memory in use, each against a limit; at most 10. In a rolling release a level is that
	// of all pods, and stable has none.
	Saturation []Saturation `json:"saturation,omitempty"`
	// Checks ask other systems about the candidate, again and again; at most 5. They know no stable: one that fails takes
	// the candidate back.
	Checks []Inquiry `json:"checks,omitempty"`
	// Rules are conditions of the team's own about what is counted; at most 10.
	Rules []Rule `json:"rules,omitempty"`
}

// What a rule does that is met.
const (
	ThenRollback = "rollback"
	ThenHold     = "hold"
)

// Rule is a condition that no candidate may meet, asked at the end of each tick after the warm-up. Where it cannot be
// answered, since a number is not known or it divides by zero, it is neither met nor not: three such ticks in a row hold
// the weight.
type Rule struct {
	// Name that verdicts show, such as too-many-failed; a DNS label.
	Name string `json:"name"`
	// When is the condition, in CEL: arithmetic, comparisons and logic over the numbers that docs/analysis.md lists,
	// such as candidate.failed > 20 && candidate.failedShare > 3.0 * stable.failedShare; at most 1000 characters.
	When string `json:"when"`
	// For is in how many ticks in a row it must be met, 1 to 100; default 2.
	For int `json:"for,omitempty"`
	// Then is what follows. rollback (default): the candidate is taken back, and the weight stays from the first such
	// tick on. hold: the weight stays while it is met.
	Then string `json:"then,omitempty"`
	// DryRun says what it would have done, and does nothing.
	DryRun bool `json:"dryRun,omitempty"`
}

// Inquiry is one request, sent again and again, and the answer that it must get. Redirects are not followed.
type Inquiry struct {
	// Name that verdicts show, such as orders; a DNS label.
	Name string `json:"name"`
	// URL as the worker reaches it; it gets a GET.
	URL string `json:"url"`
	// Headers of the request. They are kept in the history: no place for secrets.
	Headers map[string]string `json:"headers,omitempty"`
	// Status of the answer; default 200.
	Status int `json:"status,omitempty"`
	// Contains is a text that the first 64 KiB of the answer must contain.
	Contains string `json:"contains,omitempty"`
	// Every is the time between two requests, 10s to 10m; default 30s.
	Every Duration `json:"every,omitempty"`
	// Failures in a row that take the candidate back, 1 to 10; default 2. No answer is none of them: it holds the weight.
	Failures int `json:"failures,omitempty"`
	// DryRun says what it would have done, and does nothing.
	DryRun bool `json:"dryRun,omitempty"`
}

// Times limits how often something happens to the candidate's pods, all together.
type Times struct {
	// Limit from which on the candidate is taken back, 1 to 10000.
	Limit int `json:"limit,omitempty"`
	// Within is the time in which that often is too often, 1m to 6h.
	Within Duration `json:"within,omitempty"`
	// Tolerate is how many times as often as to stable's pods, per pod, it may happen to the candidate's, 1 or more;
	// default 2x.
	Tolerate Ratio `json:"tolerate,omitempty"`
	// DryRun says what it would have done, and does nothing.
	DryRun bool `json:"dryRun,omitempty"`
}

// Saturation is a level that the candidate must not exceed in two ticks in a row, unless stable does too.
type Saturation struct {
	// Name that verdicts show, such as memory; a DNS label.
	Name string `json:"name"`
	// Query is PromQL that gives one number for a track, such as max(…); its variables are those of source.prometheus.queries.
	Query string `json:"query"`
	// Limit that the number must not be above.
	Limit float64 `json:"limit"`
	// DryRun says what it would have done, and does nothing.
	DryRun bool `json:"dryRun,omitempty"`
}
