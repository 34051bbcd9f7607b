// SPDX-License-Identifier: Apache-2.0

package sender_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/sender"
)

const pipeline = `{"object_kind": "pipeline", "object_attributes": {"id": 31, "ref": "main", "tag": false, "sha": "` + commit + `", "status": "success",
	"source": "push", "created_at": "2030-01-01 08:50:00 UTC", "finished_at": "2030-01-01 08:59:00 UTC", "url": "https://gitlab.com/acme/shop/-/pipelines/31", "name": "Build"},
	"user": {"username": "ada"}, "project": {"id": 7, "path_with_namespace": "acme/shop"}}`

func fromGitLab() subject {
	return subject{
		with: func(s sender.Secrets) sender.Sender { return sender.GitLab{Secrets: s} }, body: pipeline,
		want: []sender.Event{{
			Sender: "gitlab", Event: "pipeline", Key: "pipeline/7/31", Repository: "acme/shop", RepositoryID: "7", Branch: "main", Workflows: []string{"Build"},
			Commit: commit, By: "gitlab:ada", At: now.Add(-time.Minute), Began: now.Add(-10 * time.Minute), URL: "https://gitlab.com/acme/shop/-/pipelines/31",
		}},
		refused: map[string]refusal{
			"a pipeline that runs":             {`"success"`, `"running"`, 200},
			"a pipeline that failed":           {`"success"`, `"failed"`, 200},
			"a pipeline of a merge request":    {`"push"`, `"merge_request_event"`, 403},
			"a pipeline of somebody's request": {`"push"`, `"external_pull_request_event"`, 403},
			"another event":                    {`"object_kind": "pipeline"`, `"object_kind": "push"`, 422},
			"no project":                       {`"acme/shop"}`, `""}`, 400},
		},
	}
}

func TestGitLabsPipelinesByToken(t *testing.T) {
	s := fromGitLab()
	s.proof = "X-Gitlab-Token"
	s.prove = func(d *sender.Delivery, secret string) { d.Header.Set("X-Gitlab-Token", secret) }
	conform(t, s)
}

func TestGitLabsPipelinesBySigningToken(t *testing.T) {
	s := fromGitLab()
	s.secret, s.other, s.proof, s.signs = standardSecret, standardOther, "Webhook-Signature", true
	s.prove = func(d *sender.Delivery, secret string) { signStandard(d, secret, "msg_1", now) }
	s.forged = forgedStandard()
	s.forged["the signing token itself"] = func(d *sender.Delivery) {
		d.Header.Del("Webhook-Signature")
		d.Header.Set("X-Gitlab-Token", standardSecret)
	}
	conform(t, s)
}

func TestGitLabsSigningTokenDoesNotPassAsAPlainOne(t *testing.T) {
	s := fromGitLab()
	s.prove = func(d *sender.Delivery, secret string) { d.Header.Set("X-Gitlab-Token", secret) }
	both := s.with(sender.Secrets{secret, standardSecret})
	require.NoError(t, both.Verify(s.delivery(pipeline, secret)))
	require.Error(t, both.Verify(s.delivery(pipeline, standardSecret)))
}

func TestGitLabsTagsAreNotBranches(t *testing.T) {
	s := fromGitLab()
	s.prove = func(*sender.Delivery, string) {}
	got, err := s.with(nil).Read(s.delivery(`{"object_kind": "pipeline", "object_attributes": {"id": 1, "ref": "main", "tag": true, "status": "success"}, "project": {"path_with_namespace": "a/b"}}`, ""))
	require.NoError(t, err)
	require.Empty(t, got[0].Branch)
	require.Equal(t, "main", got[0].Tag)
	require.Equal(t, now, got[0].At)
}
