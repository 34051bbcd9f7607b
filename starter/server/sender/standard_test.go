// SPDX-License-Identifier: Apache-2.0

package sender_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/sender"
)

const (
	standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	standardOther  = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// signStandard signs as a sender of Standard Webhooks does.
func signStandard(d *sender.Delivery, secret, id string, at time.Time) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	d.Header.Set("Webhook-Id", id)
	d.Header.Set("Webhook-Timestamp", stamp)
	d.Header.Set("Webhook-Signature", "v1,"+standardMAC(secret, id+"."+stamp+"."+string(d.Body)))
}

func standardMAC(secret, message string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(message))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// forgedStandard are forgeries beyond those of every signature.
func forgedStandard() map[string]func(d *sender.Delivery) {
	set := func(name, value string) func(d *sender.Delivery) {
		return func(d *sender.Delivery) { d.Header.Set(name, value) }
	}
	resigned := func(id string, at time.Time) func(d *sender.Delivery) {
		return func(d *sender.Delivery) { signStandard(d, standardSecret, id, at) }
	}
	return map[string]func(d *sender.Delivery){
		"another identity":               set("Webhook-Id", "msg_2"),
		"another time":                   set("Webhook-Timestamp", strconv.FormatInt(now.Unix()+1, 10)),
		"no identity":                    func(d *sender.Delivery) { d.Header.Del("Webhook-Id") },
		"no time":                        func(d *sender.Delivery) { d.Header.Del("Webhook-Timestamp") },
		"a time that is none":            set("Webhook-Timestamp", "yesterday"),
		"a time beyond all numbers":      set("Webhook-Timestamp", "99999999999999999999"),
		"two identities":                 func(d *sender.Delivery) { d.Header.Add("Webhook-Id", "msg_2") },
		"two times":                      func(d *sender.Delivery) { d.Header.Add("Webhook-Timestamp", "1") },
		"an old message":                 resigned("msg_1", now.Add(-5*time.Minute-time.Second)),
		"a message of the future":        resigned("msg_1", now.Add(5*time.Minute+time.Second)),
		"an identity without characters": resigned("", now),
		"an endless identity":            resigned(strings.Repeat("x", 257), now),
		"a signature of version 2": func(d *sender.Delivery) {
			d.Header.Set("Webhook-Signature", "v2"+d.Header.Get("Webhook-Signature")[2:])
		},
		"an asymmetric signature": func(d *sender.Delivery) {
			d.Header.Set("Webhook-Signature", "v1a"+d.Header.Get("Webhook-Signature")[2:])
		},
		"a thousand bad signatures": func(d *sender.Delivery) {
			d.Header.Set("Webhook-Signature", strings.Repeat("v1,"+standardMAC(standardOther, "x")+" ", 1000))
		},
		"identity and time changed places": func(d *sender.Delivery) {
			id, stamp := d.Header.Get("Webhook-Id"), d.Header.Get("Webhook-Timestamp")
			d.Header.Set("Webhook-Id", id+"."+stamp)
		},
	}
}

func TestGenericEventsByStandardWebhooks(t *testing.T) {
	body := `{"repository": "acme/shop", "branch": "main", "workflow": "build", "environment": "production", "commit": "` + commit + `",
		"image": "registry.example/shop:v2", "tag": "v2", "by": "ada", "url": "https://ci.example/7"}`
	conform(t, subject{
		with:   func(s sender.Secrets) sender.Sender { return sender.Generic{Secrets: s} },
		secret: standardSecret, other: standardOther, body: body, proof: "Webhook-Signature", signs: true,
		prove:  func(d *sender.Delivery, secret string) { signStandard(d, secret, "msg_1", now) },
		forged: forgedStandard(),
		want: []sender.Event{{
			Sender: "generic", Event: "release", Key: "message/msg_1", Repository: "acme/shop", Branch: "main", Tag: "v2", Environment: "production",
			Workflows: []string{"build"}, Commit: commit, Image: "registry.example/shop:v2", By: "generic:ada", At: now, URL: "https://ci.example/7",
		}},
		refused: map[string]refusal{
			"a field that nobody knows": {`"by"`, `"from"`, 400},
			"no repository":             {`"acme/shop"`, `""`, 400},
			"something behind the body": {`"https://ci.example/7"}`, `"https://ci.example/7"} {}`, 400},
		},
	})
}

func TestTheVectorOfStandardWebhooksIsTaken(t *testing.T) {
	const signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	at := time.Unix(1614265330, 0)
	tests := map[string]struct {
		signature string
		at        time.Time
		ok        bool
	}{
		"alone":                      {signature, at, true},
		"behind others":              {"v1a,AAAA v1,AAAA v2," + signature[3:] + " " + signature, at, true},
		"at the end of its time":     {signature, at.Add(5 * time.Minute), true},
		"at the beginning":           {signature, at.Add(-5 * time.Minute), true},
		"after its time":             {signature, at.Add(5*time.Minute + time.Second), false},
		"before its time":            {signature, at.Add(-5*time.Minute - time.Second), false},
		"with others, but not alone": {strings.ReplaceAll(signature+" "+signature, " ", ","), at, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := sender.Delivery{Body: []byte(`{"test": 2432232314}`), Header: http.Header{}, At: tt.at}
			d.Header.Set("Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
			d.Header.Set("Webhook-Timestamp", "1614265330")
			d.Header.Set("Webhook-Signature", tt.signature)
			err := sender.Generic{Secrets: sender.Secrets{standardSecret}}.Verify(d)
			require.Equal(t, tt.ok, err == nil, err)
		})
	}
}
