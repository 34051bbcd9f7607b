// SPDX-License-Identifier: Apache-2.0

package sender_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/testsuite/fakegithub"
)

func TestBitbucketsStatuses(t *testing.T) {
	s := subject{
		with: func(s sender.Secrets) sender.Sender { return sender.Bitbucket{Secrets: s} }, proof: "X-Hub-Signature", signs: true,
		header: map[string]string{"X-Event-Key": "repo:commit_status_updated"},
		prove: func(d *sender.Delivery, secret string) {
			d.Header.Set("X-Hub-Signature", "sha256="+fakegithub.Sign(secret, d.Body))
		},
		body: `{"commit_status": {"key": "BUILD", "name": "Build", "state": "SUCCESSFUL", "refname": "main", "url": "https://ci.example/7",
			"updated_on": "2030-01-01T08:59:00+00:00", "commit": {"hash": "` + commit + `"}},
			"repository": {"full_name": "acme/shop", "uuid": "{u}"}, "actor": {"nickname": "ada"}}`,
		forged: map[string]func(d *sender.Delivery){
			"a signature of SHA-1": func(d *sender.Delivery) {
				d.Header.Set("X-Hub-Signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59")
			},
			"GitHub's header": func(d *sender.Delivery) {
				d.Header.Set("X-Hub-Signature-256", d.Header.Get("X-Hub-Signature"))
				d.Header.Del("X-Hub-Signature")
			},
		},
		refused: map[string]refusal{
			"a build that runs":   {"SUCCESSFUL", "INPROGRESS", 200},
			"a build that failed": {"SUCCESSFUL", "FAILED", 200},
			"no commit":           {commit, "", 400},
			"no repository":       {`"acme/shop"`, `""`, 400},
		},
	}
	got, err := s.with(nil).Read(s.delivery(s.body, ""))
	require.NoError(t, err)
	require.Contains(t, got[0].Key, "status/{u}/"+commit+"/BUILD/")
	s.want = []sender.Event{{
		Sender: "bitbucket", Event: "commit_status", Key: got[0].Key, Repository: "acme/shop", Branch: "main", Workflows: []string{"BUILD", "Build"},
		Commit: commit, By: "bitbucket:ada", At: got[0].At, URL: "https://ci.example/7",
	}}
	require.True(t, got[0].At.Equal(now.Add(-time.Minute)))
	conform(t, s)
	s.header["X-Event-Key"] = "repo:push"
	_, err = s.with(nil).Read(s.delivery(s.body, secret))
	require.ErrorContains(t, err, `the event "repo:push" starts no release`)
}

func TestTheVectorOfBitbucketsDocumentationIsTaken(t *testing.T) {
	d := sender.Delivery{Body: []byte("Hello World!"), Header: http.Header{}}
	d.Header.Set("X-Hub-Signature", "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9")
	require.NoError(t, sender.Bitbucket{Secrets: sender.Secrets{"It's a Secret to Everybody"}}.Verify(d))
}
