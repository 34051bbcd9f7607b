// SPDX-License-Identifier: Apache-2.0

package plan

import "strings"

// APIVersion and Kind are the only accepted values of the fields of that name.
const (
	APIVersion = "slipway.dev/v1alpha1"
	Kind       = "Plan"
)

// The names of the strategies, as a plan writes them.
const (
	StrategyCanary    = "canary"
	StrategyBlueGreen = "blueGreen"
	StrategyRolling   = "rolling"
	// StrategyFeatureFlag is known to [Choose] alone: no plan can ask for it yet.
	StrategyFeatureFlag = "featureFlag"
)

// The kinds of workload that a target can be.
const (
	KindDeployment  = "Deployment"
	KindStatefulSet = "StatefulSet"
	KindDaemonSet   = "DaemonSet"
)

// How a canary's candidate is sized.
const (
	// SizingFull makes it as big as stable from the beginning.
	SizingFull = "full"
	// SizingWeight gives it the pods that its weight needs.
	SizingWeight = "weight"
)

// What a newer release does, as a plan writes it.
const (
	NewerCoalesce  = "coalesce"
	NewerQueue     = "queue"
	NewerSupersede = "supersede"
)

// What becomes of the roles of the tracks after a release.
const (
	SettleSwap   = "swap"
	SettleReturn = "return"
)

// The kinds of route that traffic.gatewayAPI can name.
const (
	KindHTTPRoute = "HTTPRoute"
	KindGRPCRoute = "GRPCRoute"
)

// Plan says how one service is released into one environment.
type Plan struct {
	// APIVersion is "slipway.dev/v1alpha1".
	APIVersion string `json:"apiVersion"`
	// Kind is "Plan".
	Kind     string   `json:"kind"`
	Metadata Metadata `json:"metadata"`
	Spec     Spec     `json:"spec"`
}

// Metadata names the plan. Name and environment together are the lane: one release at a time.
type Metadata struct {
	// Name of the service, a DNS label.
	Name string `json:"name"`
	// Environment such as "production", a DNS label.
	Environment string `json:"environment"`
}

// Spec is the body of a plan.
type Spec struct {
	Target Target `json:"target"`
	// Traffic is not needed for rolling (nor for auto, which then chooses that), where both versions answer behind the one Service.
	Traffic  Traffic  `json:"traffic,omitzero"`
	Strategy Strategy `json:"strategy"`
	// Analysis is needed for a canary with a router. Where it is left out, only the pods are watched.
	Analysis *Analysis `json:"analysis,omitempty"`
	// Lane says what happens to releases that come while another one runs, or soon after an undo.
	Lane *Lane `json:"lane,omitempty"`
	// Freeze are the times in which nothing moves forward. A release that runs stays at its weight.
	Freeze []Freeze `json:"freeze,omitempty"`
	// Config says what of its configuration a track keeps for itself.
	Config *Config `json:"config,omitempty"`
	// Triggers are the events that start a release by this plan; see docs/integrations. Without them only
	// people and the API do.
	Triggers []Trigger `json:"triggers,omitempty"`
	// Notifications say who hears of what; a receiver that several of them name hears it once.
	Notifications []Notification `json:"notifications,omitempty"`
}

// Notification says who hears of what a release does.
type Notification struct {
	// To are receivers, by the names that the worker's configuration gives them.
	To []string `json:"to"`
	// Events are started, step (one has passed), gate (people are asked), held, promoted, undone, failed
	// (nothing was released) and needs-person; default all.
	Events []Event `json:"events,omitempty"`
	// Severity is the least that is told: info, warning (gate, held), error (undone, failed) or critical
	// (needs-person); default info.
	Severity Severity `json:"severity,omitempty"`
	// Within is how long a receiver that does not answer is tried, 1m to 24h; default 1h.
	Within Duration `json:"within,omitempty"`
}

// Lane is the queue of one service in one environment.
type Lane struct {
	// Newer is what a newer release does to those before it. "coalesce" (default): what runs is finished,
	// and of those that wait only the newest is kept. "queue": each has its turn. "supersede": as coalesce,
	// and what runs is undone too, unless it has passed a gate or is being promoted.
	Newer string `json:"newer,omitempty"`
	// MaxQueue is how many releases may wait, 1 to 20; default 20.
	MaxQueue int `json:"maxQueue,omitempty"`
	// CoolDown is how long after an undo or a rollback nothing else is released unless somebody says why;
	// default 10m.
	CoolDown Duration `json:"coolDown,omitempty"`
}

// Freeze is a time in which nothing moves forward: once, or every week.
type Freeze struct {
	// From is a moment such as "2026-12-24T18:00:00Z", or with days a time of day such as "16:00".
	From string `json:"from"`
	// To ends it, written as From is; "24:00" is the end of a day. At most 90 days later.
	To string `json:"to"`
	// Days of the week, mon to sun, on which From and To are times of day; left out, it happens once.
	Days []string `json:"days,omitempty"`
	// Timezone of the times of day, such as Europe/Berlin; default UTC.
	Timezone string `json:"timezone,omitempty"`
	// Reason that screens show.
	Reason string `json:"reason,omitempty"`
}

// Config is what of its configuration a track keeps for itself.
type Config struct {
	// Snapshot copies every ConfigMap that the pod template names to "<name>-<hash of its content>" when a
	// track is deployed, so that a rollback brings the configuration back with the code, and nobody's edit
	// reaches a track that did not ask for it; default true.
	Snapshot *bool `json:"snapshot,omitempty"`
	// Secrets that are snapshotted too. One that a controller owns is refused: the copy would go stale.
	Secrets []string `json:"secrets,omitempty"`
}

// Snapshots reports whether configuration is snapshotted at all.
func (c Config) Snapshots() bool { return c.Snapshot != nil && *c.Snapshot }

// Target is the workload that gets the new image.
type Target struct {
	// Namespace of the Deployment and the Service.
	Namespace string `json:"namespace"`
	// Kind of the workload: Deployment (default), StatefulSet or DaemonSet; the other two need rolling.
	Kind string `json:"kind,omitempty"`
	// Deployment that exists already; it is the blue track, and Slipway makes and keeps the green one. It
	// also names a workload of another kind.
	Deployment string `json:"deployment,omitempty"`
	// Tracks names two Deployments that a team keeps by hand, in place of deployment: the one that service
	// selects is stable, the other gets the new image and stable's size, and nothing else of them is touched.
	Tracks *TrackNames `json:"tracks,omitempty"`
	// Service that callers use; default: the Deployment's name.
	Service string `json:"service,omitempty"`
	// Container that gets the image; default: the only container.
	Container string `json:"container,omitempty"`
	// AlsoSwitch are further Services that select the same pods, such as one for metrics. They are switched
	// together with service; a release is refused while there is one that is not listed.
	AlsoSwitch []string `json:"alsoSwitch,omitempty"`
}

// TrackNames are two Deployments of one service.
type TrackNames struct {
	// Blue is the one Deployment, such as app-blue.
	Blue string `json:"blue"`
	// Green is the other.
	Green string `json:"green"`
}

// Traffic names the router; exactly one field is set. What each can do is told in docs/routers.md.
type Traffic struct {
	GatewayAPI *GatewayAPI `json:"gatewayAPI,omitempty"`
	// Traefik shifts the weights of a TraefikService that the team's IngressRoutes name.
	Traefik *Traefik `json:"traefik,omitempty"`
	// Ingress shifts by the canary annotations of ingress-nginx, in a second Ingress beside the team's.
	Ingress *Ingress `json:"ingress,omitempty"`
	// Istio shifts the weights of a VirtualService.
	Istio *Istio `json:"istio,omitempty"`
	// Service has no router: the Service's selector is switched from one track to the other. It knows no
	// weights, so it serves blueGreen alone.
	Service *Selector `json:"service,omitempty"`
	// Replicas has no router: the Service reaches both tracks, and a weight is the nearest ratio of pods, up
	// to 50. It serves canary alone, and the pod template must carry the label
	// slipway.dev/service: <deployment>.
	Replicas *Replicas `json:"replicas,omitempty"`
}

// Replicas shifts by the candidate's number of pods; it has no fields: write {}.
type Replicas struct{}

// Selector switches the target's Service; it has no fields: write {}.
type Selector struct{}

// GatewayAPI shifts the weights of a route in the target's namespace.
type GatewayAPI struct {
	// Route is the route's name; every rule that sends to the Service is shifted.
	Route string `json:"route"`
	// Kind of the route: HTTPRoute (default) or GRPCRoute.
	Kind string `json:"kind,omitempty"`
}

// Traefik shifts the weights of a TraefikService in the target's namespace.
type Traefik struct {
	// Service is the TraefikService's name; its spec.weighted sends to the Service.
	Service string `json:"service"`
}

// Ingress shifts the requests of an Ingress in the target's namespace.
type Ingress struct {
	// Name of the Ingress; every path that sends to the Service is shifted. Its class is one of ingress-nginx,
	// or of Traefik's provider for the same annotations.
	Name string `json:"name"`
}

// Istio shifts the weights of a VirtualService in the target's namespace.
type Istio struct {
	// VirtualService is its name; every HTTP route that sends to the Service is shifted.
	VirtualService string `json:"virtualService"`
}

// Strategy is how the new version takes over; exactly one field is set.
type Strategy struct {
	// Auto chooses the strategy while the plan is read, by the table in docs/strategies.md. Beside it,
	// the others are settings for the case that they are chosen.
	Auto      *Profile   `json:"auto,omitempty"`
	Canary    *Canary    `json:"canary,omitempty"`
	BlueGreen *BlueGreen `json:"blueGreen,omitempty"`
	Rolling   *Rolling   `json:"rolling,omitempty"`
	// Chosen says what auto has chosen, and why. Slipway writes it, and nothing depends on it.
	Chosen *Choice `json:"chosen,omitempty"`
}

// Name of the strategy that is set; empty where none is, and before auto has chosen.
func (s Strategy) Name() string {
	switch {
	case s.Auto != nil:
		return ""
	case s.Canary != nil:
		return StrategyCanary
	case s.BlueGreen != nil:
		return StrategyBlueGreen
	case s.Rolling != nil:
		return StrategyRolling
	}
	return ""
}

// Canary moves traffic to the new version in steps.
type Canary struct {
	// Steps in rising order of weight; the promotion to 100 follows the last one by itself.
	Steps []Step `json:"steps"`
	// Testers reach the candidate from its deploy to the promotion, whatever the weight; it needs a router
	// that tells them apart.
	Testers *Testers `json:"testers,omitempty"`
	// Checks must all pass once the candidate is ready and before it gets any request of users, one after the other;
	// else the release is undone. With traffic.replicas there is no such moment.
	Checks []Check `json:"checks,omitempty"`
	// Sticky keeps a client on the version that it got first, for as long as the candidate has a share; it needs
	// a router that can.
	Sticky *Sticky `json:"sticky,omitempty"`
	// Mirror sends the candidate copies of requests before the first step, whose answers nobody gets, and judges it
	// by them. What a copied request does is done twice: only for services whose requests may be repeated. It
	// needs a router that can.
	Mirror *Mirror `json:"mirror,omitempty"`
	// Sizing is full: the candidate is as big as stable from the beginning; or weight: before each step it
	// gets the pods that its weight needs, and all of them before 100 %. Default full; with
	// traffic.replicas always weight.
	Sizing string `json:"sizing,omitempty"`
	// Bake is the watch after 100 % with the old track warm; default 1h.
	Bake Duration `json:"bake,omitempty"`
	// ReadyWithin bounds the wait for the candidate's pods; default 10m, then the release is undone.
	ReadyWithin Duration `json:"readyWithin,omitempty"`
	// SettleWithin bounds the wait until the router serves a new weight; default 1m, then undone.
	SettleWithin Duration `json:"settleWithin,omitempty"`
	// StepBack makes an undo go back through the lower steps and stay this long, up to 10m, at each, for a
	// stable version that cannot take all requests at once. Left out, everything is sent back in one write.
	// Another abort meanwhile hurries it.
	StepBack Duration `json:"stepBack,omitempty"`
	// Settle is swap or return. With swap, the default, the new version stays on the track that it was
	// released on. With return it is brought back onto the original Deployment after the bake, for teams
	// whose tools apply that one again and again.
	Settle string `json:"settle,omitempty"`
}

// Weights of the steps, in percent.
func (c Canary) Weights() []int {
	var out []int
	for _, s := range c.Steps {
		out = append(out, s.Weight)
	}
	return out
}

// BlueGreen makes the new version at full size beside the old one, tests it, and sends everybody to it
// in one write.
type BlueGreen struct {
	// Preview tests the new version before anybody is sent to it.
	Preview *Preview `json:"preview,omitempty"`
	// Gate asks people after the preview and before the switch.
	Gate *Gate `json:"gate,omitempty"`
	// Bake is the watch after the switch with the old track warm; default 1h.
	Bake Duration `json:"bake,omitempty"`
	// ReadyWithin bounds the wait for the candidate's pods; default 10m, then the release is undone.
	ReadyWithin Duration `json:"readyWithin,omitempty"`
	// SettleWithin bounds the wait until the router serves the switch; default 1m, then undone.
	SettleWithin Duration `json:"settleWithin,omitempty"`
	// Settle is swap or return, as for a canary; default swap.
	Settle string `json:"settle,omitempty"`
}

// Rolling replaces the workload's own pods in batches, each checked before the next one begins. It needs
// no second track; going back takes as long as the pods need.
type Rolling struct {
	// Batches are the pods that run the new version after each one, rising: [1, 3] or [25%, 50%]. A share is
	// rounded up; all pods follow the last batch by themselves. Default 25%, 50%, 100%.
	Batches []Size `json:"batches,omitempty"`
	// MaxSurge is how many pods a Deployment may have above its size; default 25%. A share is rounded up.
	MaxSurge *Size `json:"maxSurge,omitempty"`
	// MaxUnavailable is how many pods may be missing at once; default 0 for a Deployment, 1 for a DaemonSet.
	// A share is rounded down. A StatefulSet replaces one pod after the other and takes neither.
	MaxUnavailable *Size `json:"maxUnavailable,omitempty"`
	// MinReady is how long a new pod of a Deployment must have been ready before an old one goes, in whole
	// seconds; default 10s. With less, a batch can outrun a worker that has just died.
	MinReady Duration `json:"minReady,omitempty"`
	// Soak is the watch after each batch but the last; default 1m.
	Soak Duration `json:"soak,omitempty"`
	// Checks must all pass after each batch, one after the other; else the release is undone.
	Checks []Check `json:"checks,omitempty"`
	// Gate asks people after the first batch.
	Gate *Gate `json:"gate,omitempty"`
	// Bake is the watch after the last batch, while the release can still be undone; default 10m.
	Bake Duration `json:"bake,omitempty"`
	// ReadyWithin bounds the wait for the pods of each batch; default 10m, then the release is undone.
	ReadyWithin Duration `json:"readyWithin,omitempty"`
}

// Preview reaches the candidate while everybody else still reaches stable.
type Preview struct {
	// Header makes a route to the candidate for requests that carry it; it needs a router that tells them apart.
	Header *Header `json:"header,omitempty"`
	// Checks must all pass, one after the other; else the release is undone.
	Checks []Check `json:"checks,omitempty"`
	// Load is put on the candidate after the checks.
	Load *LoadTest `json:"load,omitempty"`
}

// Testers are the requests that carry a mark; exactly one field is set.
type Testers struct {
	// Header that testers send.
	Header *Header `json:"header,omitempty"`
	// Cookie that testers send. It needs a gateway that matches headers by regular expression; where it
	// cannot, the release is undone before anybody's requests were shifted.
	Cookie *Cookie `json:"cookie,omitempty"`
}

// Mark is what their requests carry, for people.
func (t Testers) Mark() string {
	if t.Cookie != nil {
		return "the cookie " + t.Cookie.Name + "=" + t.Cookie.Value
	}
	return t.Header.Name + ": " + t.Header.Value
}

// Sticky is how a client is known again.
type Sticky struct {
	// Cookie that the router sets, such as version.
	Cookie string `json:"cookie"`
}

// Mirror is how many requests are copied, and for how long. A copy is a whole request: what it orders, books or sends
// is ordered, booked and sent twice, once by each version.
type Mirror struct {
	// Percent of the requests of which the candidate gets a copy, 1 to 100; default 100.
	Percent int `json:"percent,omitempty"`
	// Hold is the least time of the watch; default 5m.
	Hold Duration `json:"hold,omitempty"`
}

// Share is the part of the copies in all requests that both tracks answer, in percent, rounded: 1 to 50.
func (m Mirror) Share() int { return (200*m.Percent + 100 + m.Percent) / (2 * (100 + m.Percent)) }

// Cookie of a request, matched exactly.
type Cookie struct {
	// Name, such as canary.
	Name string `json:"name"`
	// Value, such as always.
	Value string `json:"value"`
}

// Header of a request, matched exactly.
type Header struct {
	// Name, such as X-Preview.
	Name string `json:"name"`
	// Value, such as green.
	Value string `json:"value"`
}

// Check is one request and the answer that it must get, or one Job that must complete. Redirects are not followed.
type Check struct {
	// Name that screens show, such as health.
	Name string `json:"name"`
	// URL as the worker reaches it, such as http://checkout-green.shop/health.
	URL string `json:"url,omitempty"`
	// Headers of the request; Host is the name that the gateway sees.
	Headers map[string]string `json:"headers,omitempty"`
	// Status of the answer; default 200.
	Status int `json:"status,omitempty"`
	// Contains is a text that the first 64 KiB of the answer must contain.
	Contains string `json:"contains,omitempty"`
	// Job takes the place of the request.
	Job *JobCheck `json:"job,omitempty"`
	// Within is how long it is tried until it passes; default 30s. A Job runs once, and has so long to complete;
	// default 5m.
	Within Duration `json:"within,omitempty"`
}

// JobCheck is a Job made from a CronJob, as kubectl create job --from=cronjob/NAME makes one, so that no pod is
// described in a plan.
type JobCheck struct {
	// CronJob in the target's namespace, normally a suspended one. Its containers get SLIPWAY_RELEASE,
	// SLIPWAY_IMAGE, SLIPWAY_TRACK (the workload with the new version) and SLIPWAY_SERVICE (the Service that
	// reaches it) in their environment.
	CronJob string `json:"cronJob"`
}

// LoadTest is a stream of GET requests, sent at their times whether or not the ones before were answered.
type LoadTest struct {
	// URL as the worker reaches it.
	URL string `json:"url"`
	// Headers of each request; Host is the name that the gateway sees.
	Headers map[string]string `json:"headers,omitempty"`
	// Rate in requests per second, 1 to 500; default 20.
	Rate int `json:"rate,omitempty"`
	// For is how long; default 30s.
	For Duration `json:"for,omitempty"`
	// Errors is the percentage of requests that may fail, 0 to 100; default 0.
	Errors float64 `json:"errors,omitempty"`
	// P99 that the answers must not exceed; not judged when left out.
	P99 Duration `json:"p99,omitempty"`
}

// Step is one weight and the watch that it must pass.
type Step struct {
	// Weight is the candidate's share of requests, 1 to 99 percent.
	Weight int `json:"weight"`
	// Hold is the least time at this weight; default 5m.
	Hold Duration `json:"hold,omitempty"`
	// Checks must all pass after the hold has, before the gate asks, one after the other; else the release is undone.
	// The candidate keeps its weight meanwhile, and is watched.
	Checks []Check `json:"checks,omitempty"`
	// Gate asks people after the hold and the checks have passed, and before the next step.
	Gate *Gate `json:"gate,omitempty"`
}

// Gate waits for people.
type Gate struct {
	// Approvers are who may answer: people, and groups, which begin with @; empty: everybody who was recognised.
	Approvers []string `json:"approvers,omitempty"`
	// Quorum is the number of distinct approvers needed; default 1.
	Quorum int `json:"quorum,omitempty"`
	// FourEyes keeps whoever has requested the release from approving it.
	FourEyes bool `json:"fourEyes,omitempty"`
	// Confirm asks another system as well; without approvers and a quorum, in the place of people.
	Confirm *Confirm `json:"confirm,omitempty"`
	// Within is the deadline; default 24h. At the deadline the release is undone.
	Within Duration `json:"within,omitempty"`
}

// Confirm is another system that must say yes.
type Confirm struct {
	// URL gets a POST that says in JSON what is asked about, again and again until it answers with a status from 200
	// to 299.
	URL string `json:"url"`
	// Every is the time between two requests, 1s to 10m; default 10s.
	Every Duration `json:"every,omitempty"`
	// Metadata is sent with each. It is kept in the history: no place for secrets.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Name is its URL without what may be secret in it.
func (c Confirm) Name() string {
	address, _, _ := strings.Cut(c.URL, "?")
	return address
}
