// SPDX-License-Identifier: Apache-2.0

package sender_test

import (
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/sender"
)

// byQuery proves itself by a secret in the address.
func byQuery(d *sender.Delivery, secret string) { d.Query.Set("secret", secret) }

// forgedToken are forgeries beyond those of every proof.
func forgedToken() map[string]func(d *sender.Delivery) {
	return map[string]func(d *sender.Delivery){
		"a bearer without a secret":   func(d *sender.Delivery) { d.Query.Del("secret"); d.Header.Set("Authorization", "Bearer ") },
		"the wrong bearer":            func(d *sender.Delivery) { d.Query.Del("secret"); d.Header.Set("Authorization", "Bearer "+otherSecret) },
		"the secret as a user's name": func(d *sender.Delivery) { d.Query.Del("secret"); d.Header.Set("Authorization", basic(secret+":")) },
		"a password that is no base64": func(d *sender.Delivery) {
			d.Query.Del("secret")
			d.Header.Set("Authorization", "Basic "+secret)
		},
		"a header beside the address": func(d *sender.Delivery) { d.Header.Set("Authorization", "Bearer "+secret) },
		"two headers": func(d *sender.Delivery) {
			d.Query.Del("secret")
			d.Header["Authorization"] = []string{"Bearer " + secret, "Bearer " + secret}
		},
	}
}

func basic(userPassword string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(userPassword))
}

func TestASecretIsTakenInEveryFormThatSendersCanBeGiven(t *testing.T) {
	q := sender.Quay{Secrets: sender.Secrets{secret}}
	for _, value := range []string{secret, "Bearer " + secret, "bearer " + secret, basic("slipway:" + secret), basic(":" + secret)} {
		d := sender.Delivery{Header: map[string][]string{"Authorization": {value}}}
		require.NoError(t, q.Verify(d), value)
	}
}

func TestDockerHubsPushes(t *testing.T) {
	conform(t, subject{
		with: func(s sender.Secrets) sender.Sender { return sender.DockerHub{Secrets: s} }, prove: byQuery, forged: forgedToken(),
		body: `{"push_data": {"pushed_at": ` + strconv.FormatInt(now.Unix()-60, 10) + `, "pusher": "ada", "tag": "v2"}, "repository": {"repo_name": "acme/shop", "repo_url": "https://hub.docker.com/r/acme/shop"}}`,
		want: []sender.Event{{
			Sender: "dockerhub", Event: "push", Key: "push/acme/shop:v2/" + strconv.FormatInt(now.Unix()-60, 10), Repository: "acme/shop", Tag: "v2",
			Image: "docker.io/acme/shop:v2", By: "dockerhub:ada", At: time.Unix(now.Unix()-60, 0), URL: "https://hub.docker.com/r/acme/shop",
		}},
		refused: map[string]refusal{"no tag": {`"v2"`, `""`, 400}, "no repository": {`"acme/shop"`, `""`, 400}},
	})
}

func TestHarborsPushes(t *testing.T) {
	s := subject{
		with:  func(s sender.Secrets) sender.Sender { return sender.Harbor{Secrets: s} },
		proof: "Authorization", prove: func(d *sender.Delivery, secret string) { d.Header.Set("Authorization", secret) },
		body: `{"type": "PUSH_ARTIFACT", "occur_at": ` + strconv.FormatInt(now.Unix()-60, 10) + `, "operator": "ada", "event_data": {
			"resources": [{"digest": "` + digest + `", "tag": "v2", "resource_url": "harbor.example:8443/shop/checkout:v2"}],
			"repository": {"name": "checkout", "namespace": "shop", "repo_full_name": "shop/checkout"}}}`,
		want: []sender.Event{{
			Sender: "harbor", Event: "push", Key: "push/harbor.example:8443/shop/checkout@" + digest + "/v2", Repository: "shop/checkout", Tag: "v2",
			Image: "harbor.example:8443/shop/checkout@" + digest, By: "harbor:ada", At: time.Unix(now.Unix()-60, 0),
		}},
		refused: map[string]refusal{
			"an artifact that is deleted": {"PUSH_ARTIFACT", "DELETE_ARTIFACT", 422},
			"no artifact":                 {`"resources"`, `"things"`, 400},
			"no repository":               {`"repo_full_name": "shop/checkout"`, `"repo_full_name": ""`, 400},
		},
	}
	conform(t, s)
}

func TestQuaysPushes(t *testing.T) {
	s := subject{
		with: func(s sender.Secrets) sender.Sender { return sender.Quay{Secrets: s} }, prove: byQuery, forged: forgedToken(),
		body: `{"name": "shop", "repository": "acme/shop", "namespace": "acme", "docker_url": "quay.io/acme/shop", "homepage": "https://quay.io/repository/acme/shop", "updated_tags": ["v2", "latest"]}`,
		refused: map[string]refusal{
			"no tag":        {`["v2", "latest"]`, "[]", 400},
			"no repository": {`"acme/shop"`, `""`, 400},
			"too many tags": {`["v2", "latest"]`, "[1" + strings.Repeat(",2", 20) + "]", 400},
		},
	}
	for _, tag := range []string{"v2", "latest"} {
		s.want = append(s.want, sender.Event{
			Sender: "quay", Event: "push", Key: "push/quay.io/acme/shop:" + tag + "/" + strconv.FormatInt(now.Unix(), 10), Repository: "acme/shop", Tag: tag,
			Image: "quay.io/acme/shop:" + tag, By: "quay:unknown", At: now, URL: "https://quay.io/repository/acme/shop",
		})
	}
	conform(t, s)
}

const told = `{"repository": "ignored", "branch": "main", "commit": "` + commit + `", "image": "registry.example/shop:v2", "by": "ada"}`

const structured = `{"specversion": "1.0", "id": "A234", "source": "//ci.example/shop", "type": "com.example.built", "time": "2030-01-01T08:59:00Z",
	"datacontenttype": "application/json", "data": ` + told + `}`

func TestCloudEvents(t *testing.T) {
	want := []sender.Event{{
		Sender: "cloudevents", Event: "com.example.built", Repository: "//ci.example/shop", Branch: "main", Workflows: []string{""},
		Commit: commit, Image: "registry.example/shop:v2", By: "cloudevents:ada", At: now.Add(-time.Minute),
	}}
	s := subject{
		with:  func(s sender.Secrets) sender.Sender { return sender.CloudEvents{Secrets: s} },
		proof: "Authorization", prove: func(d *sender.Delivery, secret string) { d.Header.Set("Authorization", "Bearer "+secret) },
		header: map[string]string{"Content-Type": "application/cloudevents+json; charset=utf-8"},
		body:   structured,
		refused: map[string]refusal{
			"another version":           {`"1.0"`, `"0.3"`, 400},
			"no identity":               {`"A234"`, `""`, 400},
			"no source":                 {`"//ci.example/shop"`, `""`, 400},
			"no type":                   {`"com.example.built"`, `""`, 400},
			"a time that is none":       {"2030-01-01T08:59:00Z", "yesterday", 400},
			"a field that nobody knows": {`"by"`, `"from"`, 400},
			"data that is a text":       {told, `"shop"`, 400},
		},
	}
	got, err := s.with(nil).Read(s.delivery(s.body, ""))
	require.NoError(t, err)
	want[0].Key = got[0].Key
	require.Regexp(t, "^event/[0-9a-f]{64}/A234$", got[0].Key)
	s.want = want
	t.Run("structured", func(t *testing.T) { conform(t, s) })

	s.body, s.refused = told, map[string]refusal{"a field that nobody knows": {`"by"`, `"from"`, 400}}
	s.header = map[string]string{
		"Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Id": "A234", "Ce-Source": "//ci.example/shop",
		"Ce-Type": "com.example.built", "Ce-Time": "2030-01-01T08:59:00Z",
	}
	s.emptyBody = true
	t.Run("binary", func(t *testing.T) { conform(t, s) })
}

func TestWhatIsNoSingleCloudEventIsRefused(t *testing.T) {
	c := sender.CloudEvents{}
	for _, kind := range []string{"application/json", "application/cloudevents-batch+json", ""} {
		_, err := c.Read(sender.Delivery{Header: map[string][]string{"Content-Type": {kind}}, Body: []byte("{}")})
		var answer *sender.Answer
		require.ErrorAs(t, err, &answer)
		require.Equal(t, 415, answer.Status, kind)
	}
}
