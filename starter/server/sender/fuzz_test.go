// SPDX-License-Identifier: Apache-2.0

package sender_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/testsuite/fakegithub"
)

// all are the senders, each with a secret that nobody can guess.
func all() map[string]sender.Sender {
	s, signing := sender.Secrets{secret}, sender.Secrets{standardSecret}
	return map[string]sender.Sender{
		"github": sender.GitHub{Secrets: s, API: "https://api.github.com"}, "bitbucket": sender.Bitbucket{Secrets: s},
		"gitlab": sender.GitLab{Secrets: s}, "gitlab, signing": sender.GitLab{Secrets: signing}, "gitlab, both": sender.GitLab{Secrets: sender.Secrets{secret, standardSecret}},
		"generic": sender.Generic{Secrets: signing}, "cloudevents": sender.CloudEvents{Secrets: s},
		"dockerhub": sender.DockerHub{Secrets: s}, "harbor": sender.Harbor{Secrets: s}, "quay": sender.Quay{Secrets: s},
	}
}

// sent is what a fuzzer sends, with one text as the proof.
type sent struct {
	proof, id, stamp string
	body             []byte
}

// places are where a proof can stand, each with those who may take it there.
func places() map[string][]string {
	token := []string{"cloudevents", "dockerhub", "harbor", "quay"}
	return map[string][]string{
		"?secret": token, "Authorization": token, "X-Gitlab-Token": {"gitlab", "gitlab, both"}, "X-Hub-Signature-256": {"github"}, "X-Hub-Signature": {"bitbucket"},
		"Webhook-Signature": {"generic", "gitlab, signing", "gitlab, both"},
	}
}

// at is the delivery with the proof in one place.
func (s sent) at(place string) sender.Delivery {
	d := sender.Delivery{Header: http.Header{}, Query: url.Values{}, Body: s.body, At: now}
	if place == "?secret" {
		d.Query.Set("secret", s.proof)
	} else {
		d.Header.Set(place, s.proof)
	}
	d.Header.Set("Webhook-Id", s.id)
	d.Header.Set("Webhook-Timestamp", s.stamp)
	return d
}

// knows reports whether a proof could have been made by nobody who does not know the secret.
func (s sent) knows(place string) bool {
	switch place {
	case "Authorization":
		scheme, rest, _ := strings.Cut(s.proof, " ")
		user, err := base64.StdEncoding.DecodeString(rest)
		return s.proof == secret || strings.EqualFold(scheme, "bearer") && rest == secret ||
			strings.EqualFold(scheme, "basic") && err == nil && strings.HasSuffix(string(user), ":"+secret)
	case "X-Hub-Signature-256", "X-Hub-Signature":
		mac, err := hex.DecodeString(strings.TrimPrefix(s.proof, "sha256="))
		return err == nil && hex.EncodeToString(mac) == fakegithub.Sign(secret, s.body)
	case "Webhook-Signature":
		return s.signed()
	}
	return s.proof == secret
}

// signed reports whether one of a list of signatures is that of Standard Webhooks, and of now.
func (s sent) signed() bool {
	seconds, err := strconv.ParseInt(s.stamp, 10, 64)
	if away := time.Unix(seconds, 0).Sub(now).Abs(); err != nil || away > 5*time.Minute || s.id == "" || len(s.id) > 256 {
		return false
	}
	want := standardMAC(standardSecret, s.id+"."+s.stamp+"."+string(s.body))
	return slices.ContainsFunc(strings.Fields(s.proof), func(one string) bool {
		mac, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(one, "v1,"))
		return err == nil && base64.StdEncoding.EncodeToString(mac) == want
	})
}

// proved are deliveries that prove themselves, each in one place.
func proved() map[string][]sent {
	body, stamp := []byte("{}"), strconv.FormatInt(now.Unix(), 10)
	with := func(proofs ...string) (all []sent) {
		for _, p := range proofs {
			all = append(all, sent{p, "msg_1", stamp, body})
		}
		return all
	}
	signature := "v1," + standardMAC(standardSecret, "msg_1."+stamp+".{}")
	return map[string][]sent{
		"?secret": with(secret), "X-Gitlab-Token": with(secret), "Authorization": with(secret, "Bearer "+secret, "bearer "+secret, basic("slipway:"+secret), basic(":"+secret)),
		"X-Hub-Signature-256": with("sha256=" + fakegithub.Sign(secret, body)), "X-Hub-Signature": with("sha256=" + fakegithub.Sign(secret, body)),
		"Webhook-Signature": with(signature, "v1a,AAAA v1,AAAA "+signature),
	}
}

// FuzzVerify finds a proof that is taken without the secret, in a place where it does not belong or beside another one,
// and one that panics.
func FuzzVerify(f *testing.F) {
	for place, good := range proved() {
		for _, s := range good {
			for _, name := range places()[place] {
				require.NoError(f, all()[name].Verify(s.at(place)), "%s in %s", name, place)
			}
			f.Add(s.proof, s.id, s.stamp, s.body)
			f.Add(s.proof[:len(s.proof)-1], s.id, s.stamp, s.body)
			f.Add(s.proof, "msg_2", s.stamp, s.body)
			f.Add(s.proof, s.id, "1893488401", s.body)
			f.Add(s.proof, s.id, s.stamp, []byte("{} "))
		}
	}
	f.Add("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "", "-1", []byte(nil))
	f.Add("Basic Og==", ".", "1893488400", []byte("x"))
	f.Add(basic(secret+":"), "msg_1", "1893488400", []byte("x"))
	senders, takers := all(), places()
	f.Fuzz(func(t *testing.T, proof, id, stamp string, body []byte) {
		s := sent{proof, id, stamp, body}
		for place, theirs := range takers {
			for name, to := range senders {
				if to.Verify(s.at(place)) == nil && (!slices.Contains(theirs, name) || !s.knows(place)) {
					t.Errorf("%s takes %q in %s", name, proof, place)
				}
				twice := s.at(place)
				if place == "?secret" || place == "Authorization" {
					twice.Query.Add("secret", secret)
				} else {
					twice.Header.Add(place, secret)
				}
				if to.Verify(twice) == nil {
					t.Errorf("%s takes %q beside the secret in %s", name, proof, place)
				}
			}
		}
	})
}

// FuzzRead finds a body that panics, that says two things, or that is refused without a reason for its sender.
func FuzzRead(f *testing.F) {
	f.Add("workflow_run", []byte(workflowRun))
	f.Add("deployment_protection_rule", []byte(protectionRule))
	f.Add("pipeline", []byte(pipeline))
	f.Add("deployment", []byte(`{"deployment": {"id": 1, "payload": "{}"}}`))
	f.Add("com.example.built", []byte(told))
	f.Add("com.example.built", []byte(nil))
	f.Add("structured", []byte(structured))
	f.Add("push", []byte(`{"push_data": {"pushed_at": 1893488340, "pusher": "ada", "tag": "v2"}, "repository": {"repo_name": "acme/shop"}}`))
	f.Add("push", []byte(`{"repository": "acme/shop", "docker_url": "quay.io/acme/shop", "updated_tags": ["v2", "latest"]}`))
	f.Add("PUSH_ARTIFACT", []byte(`{"type": "PUSH_ARTIFACT", "occur_at": 1893488340, "operator": "ada", "event_data": {"resources": [{"digest": "`+digest+`", "tag": "v2",
		"resource_url": "harbor.example/shop/checkout:v2"}], "repository": {"repo_full_name": "shop/checkout"}}}`))
	for content, body := range map[string]string{"application/cloudevents+json": structured, "application/json": told} {
		_, err := sender.CloudEvents{}.Read(reading("com.example.built", content, []byte(body)))
		require.NoError(f, err, content)
	}
	senders := all()
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		for name, s := range senders {
			for _, content := range []string{"application/json", "application/cloudevents+json"} {
				d := reading(kind, content, body)
				events, err := s.Read(d)
				answer, ok := errors.AsType[*sender.Answer](err)
				if (err == nil) != (len(events) > 0) || err != nil && (!ok || !slices.Contains([]int{200, 400, 403, 415, 422}, answer.Status)) {
					t.Errorf("%s: %d events and %v", name, len(events), err)
				}
				for _, e := range events {
					if e.Key == "" || e.Sender == "" || e.Repository == "" || e.Run < 0 {
						t.Errorf("%s: %+v", name, e)
					}
					if name == "cloudevents" && content == "application/json" && (e.Repository != kind || e.Event != kind) {
						t.Errorf("the data of %q says otherwise: %+v", kind, e)
					}
				}
				again, _ := s.Read(d)
				if !reflect.DeepEqual(events, again) {
					t.Errorf("%s: %+v, then %+v", name, events, again)
				}
			}
		}
	})
}

// reading is a delivery of a kind, as each sender writes it; as a CloudEvent in the binary mode where the content is JSON.
func reading(kind, content string, body []byte) sender.Delivery {
	d := sender.Delivery{Header: http.Header{}, Query: url.Values{}, Body: body, At: now}
	for name, value := range map[string]string{
		"Content-Type": content, "X-GitHub-Event": kind, "X-Event-Key": kind, "Webhook-Id": "msg_1",
		"Ce-Specversion": "1.0", "Ce-Id": "A234", "Ce-Source": kind, "Ce-Type": kind, "Ce-Time": "2030-01-01T08:59:00Z",
	} {
		d.Header.Set(name, value)
	}
	return d
}
