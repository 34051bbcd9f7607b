// SPDX-License-Identifier: Apache-2.0

package sender

import (
	"slices"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// Bitbucket sends webhooks of a repository or a workspace. Its X-Hub-Signature is of SHA-256, where that of
// GitHub under the same name is of SHA-1.
type Bitbucket struct{ Secrets Secrets }

var _ Sender = Bitbucket{}

// Verify implements Sender.
func (b Bitbucket) Verify(d Delivery) error { return b.Secrets.hexSignature(d, "X-Hub-Signature") }

// Read implements Sender.
func (b Bitbucket) Read(d Delivery) ([]Event, error) {
	if key := d.Header.Get("X-Event-Key"); !slices.Contains([]string{"repo:commit_status_created", "repo:commit_status_updated"}, key) {
		return nil, unknown("the event %q starts no release; subscribe to build statuses", key)
	}
	var in struct {
		Status struct {
			Key       string `json:"key"`
			Name      string `json:"name"`
			State     string `json:"state"`
			Branch    string `json:"refname"`
			URL       string `json:"url"`
			UpdatedOn moment `json:"updated_on"`
			Commit    struct {
				Hash string `json:"hash"`
			} `json:"commit"`
		} `json:"commit_status"`
		Repository struct {
			FullName string `json:"full_name"`
			UUID     string `json:"uuid"`
		} `json:"repository"`
		Actor struct {
			Nickname string `json:"nickname"`
		} `json:"actor"`
	}
	if err := decode(d.Body, &in); err != nil {
		return nil, err
	}
	s := in.Status
	switch {
	case s.Key == "" || s.Commit.Hash == "" || in.Repository.FullName == "":
		return nil, unreadable("the event names no status, no commit or no repository")
	case s.State != "SUCCESSFUL":
		return nil, nothing("the status is %s", s.State)
	}
	return []Event{{
		Sender: plan.SenderBitbucket, Event: plan.EventCommitStatus, Key: "status/" + in.Repository.UUID + "/" + s.Commit.Hash + "/" + s.Key + "/" + hash([]byte(s.URL)),
		Repository: in.Repository.FullName, Branch: s.Branch, Workflows: []string{s.Key, s.Name},
		Commit: s.Commit.Hash, By: "bitbucket:" + in.Actor.Nickname, At: s.UpdatedOn.or(d.At), URL: s.URL,
	}}, nil
}
