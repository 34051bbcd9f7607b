// SPDX-License-Identifier: Apache-2.0

package sender

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// GitLab sends webhooks of a project or a group. It proves itself by a signing token, which begins with
// whsec_ and signs as Standard Webhooks do, or by the older token that is sent as it is. Where every
// secret is a signing token, a delivery with a plain one is refused.
type GitLab struct{ Secrets Secrets }

var _ Sender = GitLab{}

// Verify implements Sender.
func (g GitLab) Verify(d Delivery) error {
	var signing, plain Secrets
	for _, secret := range g.Secrets {
		if strings.HasPrefix(secret, signingPrefix) {
			signing = append(signing, secret)
		} else {
			plain = append(plain, secret)
		}
	}
	if len(signing) > 0 && (len(plain) == 0 || d.Header.Get(headerSignature) != "") {
		return signing.standard(d)
	}
	token, err := one(d.Header, "X-Gitlab-Token")
	if err != nil {
		return err
	}
	if !plain.is(token) {
		return refused("X-Gitlab-Token is another one: is the secret the same on both sides?")
	}
	return nil
}

// Read implements Sender.
func (g GitLab) Read(d Delivery) ([]Event, error) {
	var in struct {
		Kind     string `json:"object_kind"`
		Pipeline struct {
			ID         json.Number `json:"id"`
			Ref        string      `json:"ref"`
			Tag        bool        `json:"tag"`
			Commit     string      `json:"sha"`
			Status     string      `json:"status"`
			Source     string      `json:"source"`
			CreatedAt  moment      `json:"created_at"`
			FinishedAt moment      `json:"finished_at"`
			URL        string      `json:"url"`
			Name       string      `json:"name"`
		} `json:"object_attributes"`
		User struct {
			Username string `json:"username"`
		} `json:"user"`
		Project struct {
			ID   json.Number `json:"id"`
			Path string      `json:"path_with_namespace"`
		} `json:"project"`
	}
	if err := decode(d.Body, &in); err != nil {
		return nil, err
	}
	p := in.Pipeline
	switch {
	case in.Kind != "pipeline":
		return nil, unknown("the event %q starts no release; subscribe to pipeline events", in.Kind)
	case p.ID == "" || in.Project.Path == "":
		return nil, unreadable("the event names no pipeline or no project")
	case p.Status != "success":
		return nil, nothing("the pipeline is %s", p.Status)
	case strings.HasPrefix(p.Source, "merge_request") || p.Source == "external_pull_request_event":
		return nil, &Answer{http.StatusForbidden, "the pipeline ran for a merge request, from which nothing is released"}
	}
	e := Event{
		Sender: plan.SenderGitLab, Event: plan.EventPipeline, Key: "pipeline/" + in.Project.ID.String() + "/" + p.ID.String(),
		Repository: in.Project.Path, RepositoryID: in.Project.ID.String(), Workflows: []string{p.Name},
		Commit: p.Commit, By: "gitlab:" + in.User.Username, At: p.FinishedAt.or(d.At), Began: time.Time(p.CreatedAt), URL: p.URL,
	}
	if p.Tag {
		e.Tag = p.Ref
	} else {
		e.Branch = p.Ref
	}
	return []Event{e}, nil
}

// moment is a time in any of the forms that senders write.
type moment time.Time

// UnmarshalJSON leaves what it cannot read at zero.
func (m *moment) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 -0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			*m = moment(t)
			return nil
		}
	}
	return nil
}

// or is the time, or where it is not known another one.
func (m moment) or(other time.Time) time.Time {
	if t := time.Time(m); !t.IsZero() {
		return t
	}
	return other
}
