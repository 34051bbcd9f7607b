// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server/access"
	"github.com/slipwayhq/slipway/starter/server/api/body"
	"github.com/slipwayhq/slipway/starter/server/match"
	"github.com/slipwayhq/slipway/starter/server/sender"
)

// answerWithin is when there is an answer, also where Temporal gives none.
const answerWithin = 10 * time.Second

// Route is one operation.
type Route struct {
	Method, Path string
	// Name of the operation, and what it does in one sentence.
	Name, Summary string
	// Right that the caller needs for the service in the path; empty: anybody may call it.
	Right access.Right
	// Parameters beside those of the path.
	Parameters []Parameter
	// In is a pointer to the body that is read, Out a value of what is answered; nil: none.
	In  func() any
	Out any
	// Status of success.
	Status int
	// Streams answers with server-sent events, each with an Out.
	Streams bool
	// Serve carries it out. An error that is a *sender.Answer says its status itself.
	Serve func(w http.ResponseWriter, c *Call) (any, error)
}

// Call is one request.
type Call struct {
	*http.Request
	// Caller is the zero value where the route needs no right, or where Job is set: a token of ours, or a person.
	Caller access.Caller
	// Job is the CI job that calls, for the one route that takes such.
	Job *sender.Event
	// In is the body, as the route's In made it.
	In any
}

// Lane of the path.
func (c *Call) Lane() client.Lane {
	return client.Lane{Environment: c.PathValue("environment"), Name: c.PathValue("service")}
}

// Release is the ID of the path.
func (c *Call) Release() string { return c.PathValue("release") }

// By is who calls, as it is kept with the release.
func (c *Call) By() string {
	if c.Job != nil {
		return c.Job.By
	}
	return c.Caller.Who()
}

// maxKey of an Idempotency-Key, in characters.
const maxKey = 200

// key makes several requests of one caller one; a request that brings none is one of its own.
func (c *Call) key() (string, error) {
	key := c.Header.Get("Idempotency-Key")
	if len(key) > maxKey {
		return "", fail(http.StatusBadRequest, "the Idempotency-Key has more than %d characters", maxKey)
	}
	return cmp.Or(key, rand.Text()), nil
}

// Failure is the body of every answer that is none of success.
type Failure struct {
	// Error says what happened, what was done about it, and what to do.
	Error string `json:"error"`
}

func fail(status int, format string, args ...any) error {
	return &sender.Answer{Status: status, Text: fmt.Sprintf(format, args...)}
}

// Handler checks who calls, reads the body, and answers.
func (a *API) handler(r Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		out, err := a.serve(w, req, r)
		switch {
		case err != nil:
			a.refuse(w, req, r, err)
		case !r.Streams:
			Write(w, r.Status, out)
		}
	})
}

func (a *API) serve(w http.ResponseWriter, req *http.Request, r Route) (any, error) {
	c := &Call{Request: req}
	if lane := c.Lane(); lane.Name != "" {
		if _, err := client.ParseLane(lane.String()); err != nil {
			return nil, fail(http.StatusNotFound, "%v", err)
		}
	}
	if r.Right != "" {
		if err := a.admit(c, r); err != nil { //nolint:contextcheck // the call has the request's
			return nil, err
		}
	}
	if r.In != nil {
		c.In = r.In()
		if err := body.Read(w, req, c.In); err != nil {
			return nil, err
		}
	}
	if r.Streams {
		return r.Serve(w, c)
	}
	ctx, cancel := context.WithTimeout(req.Context(), answerWithin)
	defer cancel()
	c.Request = req.WithContext(ctx)
	return r.Serve(w, c)
}

// admit finds who calls, and refuses whoever lacks the right. An issuer of tokens that does not answer keeps nobody
// waiting for long.
func (a *API) admit(c *Call, r Route) error {
	ctx, cancel := context.WithTimeout(c.Context(), answerWithin)
	defer cancel()
	if err := a.recognise(ctx, c, r); err != nil || c.Job != nil {
		return err
	}
	service := ""
	if lane := c.Lane(); lane.Name != "" {
		service = lane.String()
	}
	if !c.Caller.May(r.Right, service) {
		return forbidden(c.Caller, r.Right, service)
	}
	return nil
}

// recognise finds who calls: by what they send, or where they send nothing by their certificate. It does not fall
// back from one to the other.
func (a *API) recognise(ctx context.Context, c *Call, r Route) error {
	if len(c.Header.Values("Authorization")) == 0 {
		return a.recogniseCertificate(c)
	}
	scheme, bearer, _ := strings.Cut(c.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || bearer == "" || len(c.Header.Values("Authorization")) != 1 {
		return unproven()
	}
	if access.Looks(bearer) {
		return a.recogniseIssued(ctx, c, r, bearer)
	}
	caller, ok := a.Tokens.Find(bearer)
	if !ok {
		return fail(http.StatusUnauthorized, "the token is not known")
	}
	c.Caller = caller
	return nil
}

// recogniseIssued finds whose a token of an issuer is: each of them is asked for one kind alone.
func (a *API) recogniseIssued(ctx context.Context, c *Call, r Route, bearer string) error {
	issuer, err := access.IssuerOf(bearer)
	switch {
	case err != nil:
		return err
	case a.People.Know(issuer):
		person, err := a.People.Verify(ctx, bearer)
		c.Caller = a.Tokens.Entitle(person)
		return err
	case !a.Jobs.Know(issuer):
		return fail(http.StatusUnauthorized, "the token is of an issuer that this server does not trust")
	case !a.takesJobs(r):
		return fail(http.StatusForbidden, "the token of a CI job starts releases and looks at them, and does nothing else")
	}
	return a.admitJob(ctx, c, bearer)
}

// recogniseCertificate finds who has opened the connection. A browser shows a certificate also for a page of
// somebody else, whose requests are refused.
func (a *API) recogniseCertificate(c *Call) error {
	person, ok, err := access.OfCertificate(c.TLS, a.Now())
	switch {
	case err != nil:
		return err
	case !ok:
		return unproven()
	case http.NewCrossOriginProtection().Check(c.Request) != nil:
		return fail(http.StatusForbidden, "a browser sends this for a page of another site, and not for the person")
	}
	c.Caller = a.Tokens.Entitle(person)
	return nil
}

func unproven() error {
	return fail(http.StatusUnauthorized, "send a token: Authorization: Bearer …")
}

// admitJob lets a CI job look at the releases of a service whose plan takes what it brings. What it may start
// depends on the image, and is checked later.
func (a *API) admitJob(ctx context.Context, c *Call, bearer string) error {
	job, err := a.Jobs.Verify(ctx, bearer)
	if err != nil {
		return err
	}
	c.Job = &job
	lane := c.Lane()
	if lane.Name == "" {
		return nil
	}
	if p, ok := a.Plans.Plan(lane.String()); !ok || !match.Owns(p, job) {
		return fail(http.StatusForbidden, "no trigger of the plan of %s takes what this job brings", lane)
	}
	return nil
}

func forbidden(c access.Caller, r access.Right, service string) error {
	if service == "" {
		return fail(http.StatusForbidden, "%s has no right to %s", c, r)
	}
	return fail(http.StatusForbidden, "%s has no right to %s for %s", c, r, service)
}

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	if answer, ok := errors.AsType[*sender.Answer](err); ok {
		return answer.Status
	}
	_, refused := errors.AsType[*client.RefusedError](err)
	_, late := errors.AsType[*client.LateError](err)
	if refused || late {
		return http.StatusConflict
	}
	_, missing := errors.AsType[*client.MissingError](err)
	_, unknown := errors.AsType[*client.UnknownError](err)
	if missing || unknown {
		return http.StatusNotFound
	}
	return http.StatusServiceUnavailable
}

func (a *API) refuse(w http.ResponseWriter, req *http.Request, r Route, err error) {
	status := statusOf(err)
	a.Logger.Info("request refused", "route", r.Name, "status", status, "reason", err.Error())
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if req.Context().Err() == nil {
		Write(w, status, Failure{Error: err.Error()})
	}
}

// Write answers with JSON.
func Write(w http.ResponseWriter, status int, out any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out) // the client has gone
}
