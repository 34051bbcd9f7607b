// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/record/conformance"
	"github.com/slipwayhq/slipway/activities/record/s3"
	"github.com/slipwayhq/slipway/starter/cli"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

func clock() activities.Clock { return activities.Clock{Now: time.Now, After: time.After} }

// place is a prefix of the bucket.
type place string

func anywhere(t *testing.T) place {
	t.Helper()
	administrator(t)
	return place(s3.Scheme + bucket + "/" + strings.NewReplacer("/", "-", "#", "-").Replace(strings.ToLower(t.Name())) + "/" + rand.Text())
}

func (p place) Worker(t *testing.T) (activities.Recorder, func()) {
	t.Helper()
	b, err := s3.Open(string(p))
	require.NoError(t, err)
	r := s3.Keep(b, clock(), slog.New(slog.DiscardHandler))
	return r, func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func (p place) Read(t *testing.T, release string) []byte {
	t.Helper()
	b, err := s3.Open(string(p))
	require.NoError(t, err)
	text, err := b.Read(t.Context(), release)
	require.NoError(t, err)
	return text
}

func (p place) Stands(t *testing.T) map[string]string {
	t.Helper()
	c, out := administrator(t), map[string]string{}
	_, prefix, err := s3.Parse(string(p))
	require.NoError(t, err)
	for o := range c.ListObjectsIter(t.Context(), bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		require.NoError(t, o.Err)
		object, err := c.GetObject(t.Context(), bucket, o.Key, minio.GetObjectOptions{})
		require.NoError(t, err)
		text, err := io.ReadAll(object)
		require.NoError(t, err)
		require.NoError(t, object.Close())
		out[o.Key] = string(text)
	}
	return out
}

func TestABucketKeepsRecords(t *testing.T) {
	reach(t, address)
	conformance.Run(t, func(t *testing.T) conformance.Place { t.Helper(); return anywhere(t) })
}

func TestWhatStandsInTheBucketIsNotWrittenAgain(t *testing.T) {
	reach(t, address)
	p := anywhere(t)
	b, err := s3.Open(string(p))
	require.NoError(t, err)
	require.NoError(t, b.Put(t.Context(), "one/part.jsonl", []byte("first\n")))
	require.NoError(t, b.Put(t.Context(), "one/part.jsonl", []byte("second\n")))
	require.Equal(t, "first\n", string(p.Read(t, "one")))
}

func TestAStoreThatRefusesSaysWhy(t *testing.T) {
	administrator(t)
	tests := map[string]struct {
		bucket, variable, value string
		want                    string
	}{
		"no such bucket":       {"nowhere", "AWS_REGION", region, "there is no bucket nowhere at http://" + address + "; make it, or correct its name"},
		"another secret":       {bucket, "AWS_SECRET_ACCESS_KEY", "another", "the store refuses the credentials: "},
		"an unknown key":       {bucket, "AWS_ACCESS_KEY_ID", "nobody", "the store refuses the credentials: "},
		"a key without rights": {bucket, "AWS_ACCESS_KEY_ID", stranger, "a worker needs s3:PutObject on s3://" + bucket + "/p/*"},
		"another region":       {bucket, "AWS_REGION", "us-test-9", "set AWS_REGION to it"},
		"nobody is there":      {bucket, "AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1", "http://127.0.0.1:1 does not answer: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			reach(t, address)
			t.Setenv(tt.variable, tt.value)
			b, err := s3.Open(s3.Scheme + tt.bucket + "/p")
			require.NoError(t, err)
			require.ErrorContains(t, b.Put(t.Context(), "one/part.jsonl", []byte("x\n")), tt.want)
			_, err = b.Read(t.Context(), "one")
			require.ErrorContains(t, err, tt.want)
			_, err = b.Releases(t.Context())
			require.ErrorContains(t, err, tt.want)
		})
	}
	reach(t, address)
	b, err := s3.Open(s3.Scheme + bucket)
	require.NoError(t, err)
	_, err = b.Read(t.Context(), "never-was")
	require.EqualError(t, err, "there is no record of never-was in s3://records")
}

func TestABucketThatIsMissingIsSaidAtTheStartAndFoundOnceItIsThere(t *testing.T) {
	reach(t, address)
	c, name := administrator(t), "later-"+strings.ToLower(rand.Text())
	b, err := s3.Open(s3.Scheme + name + "/p")
	require.NoError(t, err)
	said := make(chan string, 10)
	r := s3.Keep(b, clock(), slog.New(slog.NewTextHandler(saying(said), nil)))
	require.Contains(t, <-said, "there is no bucket "+name+" at http://"+address+"; make it, or correct its name")
	require.NoError(t, r.Append(t.Context(), judge.Entry{Release: "one", Verdict: &decide.Verdict{}}), "nobody fails by it")
	require.NoError(t, c.MakeBucket(t.Context(), name, minio.MakeBucketOptions{}))
	require.NoError(t, r.Close(t.Context()))
	require.Contains(t, <-said, "records are written again")
	text, err := b.Read(t.Context(), "one")
	require.NoError(t, err)
	require.Contains(t, string(text), `"verdict":`)
}

// saying hands over what is logged.
type saying chan string

func (s saying) Write(p []byte) (int, error) {
	s <- string(p)
	return len(p), nil
}

// TestNothingIsLostOrDoubledByAStoreThatComesAndGoes has a store that is busy for a while, and whose answers are lost.
func TestNothingIsLostOrDoubledByAStoreThatComesAndGoes(t *testing.T) {
	var asked atomic.Int64
	store := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: address})
		r.Out.Host = r.In.Host // it is signed
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case n <= 2:
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case n <= 4: // it arrives, and nobody hears of it
			store.ServeHTTP(httptest.NewRecorder(), r)
			http.Error(w, "lost", http.StatusBadGateway)
		default:
			store.ServeHTTP(w, r)
		}
	}))
	defer front.Close()
	reach(t, strings.TrimPrefix(front.URL, "http://"))
	p := anywhere(t)
	r, end := p.Worker(t)
	for i := range 5 {
		require.NoError(t, r.Append(t.Context(), judge.Entry{Release: "one", Verdict: &decide.Verdict{Reason: fmt.Sprint(i)}}))
	}
	end()
	require.Greater(t, asked.Load(), int64(8), "it was asked again")
	var got string
	for line := range bytes.Lines(p.Read(t, "one")) {
		var e judge.Entry
		require.NoError(t, json.Unmarshal(line, &e))
		got += e.Verdict.Reason
	}
	require.Equal(t, "01234", got)
}

func TestRecordsInABucketAreJudgedAgain(t *testing.T) {
	reach(t, address)
	p := anywhere(t)
	r, end := p.Worker(t)
	for _, release := range []string{"checkout-1", "checkout-2"} {
		var w judge.Watch
		require.NoError(t, json.Unmarshal([]byte(`{"analysis":{"source":{"prometheus":{"preset":"app"}},"warmUp":"20s","interval":"10s",
			"block":"30s","soak":"30s","history":"16m40s","window":"5m","minRequests":100,"falseAlarms":5,"misses":5,"patience":"10m","afterPatience":"ask",
			"askWithin":"1h","errors":{"tolerate":"1.25x","unacceptable":"2x","margin":0.5,"slo":10}},"weight":10,"start":"2030-01-01T09:00:00Z"}`), &w))
		require.NoError(t, r.Append(t.Context(), judge.Entry{Release: release, Watch: &w}))
		require.NoError(t, r.Append(t.Context(), judge.Entry{Release: release, Verdict: &decide.Verdict{Outcome: decide.Fail, Reason: "it was bad"}}))
	}
	end()
	slipway := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), cli.Terminal{In: strings.NewReader(""), Out: &out, Err: &errs, Now: time.Now, User: "ann", Name: "slipway"}, args)
		return code, out.String(), errs.String()
	}
	code, out, errs := slipway("judge", "replay", string(p)+"/checkout-1")
	require.Zero(t, code, errs)
	require.Contains(t, out, "then  fail: it was bad")
	require.Contains(t, out, "1 releases: ")

	code, out, errs = slipway("judge", "replay", string(p)+"/", "--set", "errors.tolerate=2x")
	require.Zero(t, code, errs)
	require.Contains(t, out, "checkout-1\n")
	require.Contains(t, out, "checkout-2\n")
	require.Contains(t, out, "2 releases: ")

	code, _, errs = slipway("judge", "replay", string(p)+"/checkout")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "there is no record of checkout in "+string(p))
}
