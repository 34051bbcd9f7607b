// SPDX-License-Identifier: Apache-2.0

package sender_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/slipwayhq/slipway/starter/server/sender"
)

// all are the senders, each with a secret that nobody can guess.
func all() map[string]sender.Sender {
	s := sender.Secrets{secret}
	return map[string]sender.Sender{
		"github": sender.GitHub{Secrets: s, API: "https://api.github.com"}, "gitlab": sender.GitLab{Secrets: s}, "bitbucket": sender.Bitbucket{Secrets: s},
		"generic": sender.Generic{Secrets: sender.Secrets{standardSecret}}, "cloudevents": sender.CloudEvents{Secrets: s},
		"dockerhub": sender.DockerHub{Secrets: s}, "harbor": sender.Harbor{Secrets: s}, "quay": sender.Quay{Secrets: s},
	}
}

// FuzzVerify finds a proof that fits without the secret, or one that panics.
func FuzzVerify(f *testing.F) {
	f.Add("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", "msg_1", "1893488400", []byte("{}"))
	f.Add("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "", "-1", []byte(nil))
	f.Add("Basic Og==", ".", "1893488400", []byte("x"))
	f.Fuzz(func(t *testing.T, proof, id, stamp string, body []byte) {
		d := sender.Delivery{Header: http.Header{}, Query: url.Values{"secret": {proof}}, Body: body, At: now}
		for _, name := range []string{"X-Hub-Signature-256", "X-Hub-Signature", "X-Gitlab-Token", "Webhook-Signature"} {
			d.Header.Set(name, proof)
		}
		d.Header.Set("Webhook-Id", id)
		d.Header.Set("Webhook-Timestamp", stamp)
		for name, s := range all() {
			if s.Verify(d) == nil && proof != secret {
				t.Errorf("%s takes %q", name, proof)
			}
		}
	})
}

// FuzzRead finds a body that panics, or that says two things.
func FuzzRead(f *testing.F) {
	f.Add("workflow_run", []byte(workflowRun))
	f.Add("deployment_protection_rule", []byte(protectionRule))
	f.Add("pipeline", []byte(pipeline))
	f.Add("deployment", []byte(`{"deployment": {"id": 1, "payload": "{}"}}`))
	f.Add("application/cloudevents+json", []byte(told))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		for name, s := range all() {
			for _, content := range []string{"application/json", "application/cloudevents+json"} {
				d := sender.Delivery{Header: http.Header{}, Query: url.Values{}, Body: body, At: now}
				d.Header.Set("Content-Type", content)
				d.Header.Set("X-GitHub-Event", kind)
				d.Header.Set("X-Event-Key", kind)
				d.Header.Set("Ce-Specversion", kind)
				events, err := s.Read(d)
				if (err == nil) != (len(events) > 0) {
					t.Errorf("%s: %d events and %v", name, len(events), err)
				}
				for _, e := range events {
					if e.Key == "" || e.Sender == "" || e.Repository == "" || e.Run < 0 {
						t.Errorf("%s: %+v", name, e)
					}
				}
			}
		}
	})
}
