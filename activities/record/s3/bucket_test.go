// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/record/s3"
)

// bare is an environment in which nobody has said anything of S3.
func bare(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS", "AWS_ACCESS_KEY_ID",
		"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "missing"))
}

func TestAddressesOfBuckets(t *testing.T) {
	tests := map[string]struct{ bucket, prefix string }{
		"s3://records":           {"records", ""},
		"s3://records/":          {"records", ""},
		"s3://records/team/a":    {"records", "team/a/"},
		"s3://records/team/a/":   {"records", "team/a/"},
		"":                       {},
		"records":                {},
		"s3://":                  {},
		"s3:///records":          {},
		"gs://records":           {},
		"s3://key:secret@bucket": {},
		"s3://records/a//b":      {},
		"s3://records?region=eu": {},
	}
	for address, want := range tests {
		bucket, prefix, err := s3.Parse(address)
		if want.bucket == "" {
			require.ErrorContains(t, err, "is not the address of a bucket; write one such as s3://bucket/prefix", address)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, struct{ bucket, prefix string }{bucket, prefix}, address)
	}
}

func TestAnEnvironmentThatCannotWorkIsRefused(t *testing.T) {
	tests := map[string]struct {
		set  map[string]string
		want string
	}{
		"no region":              {nil, "set AWS_REGION, or AWS_ENDPOINT_URL_S3"},
		"an endpoint without //": {map[string]string{"AWS_ENDPOINT_URL_S3": "minio:9000"}, `the endpoint "minio:9000" is not the URL of a store`},
		"an endpoint with path":  {map[string]string{"AWS_ENDPOINT_URL": "http://minio/s3"}, "write one such as https://minio.example:9000"},
		"half a key":             {map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "k"}, "AWS_SECRET_ACCESS_KEY is not"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bare(t)
			for k, v := range tt.set {
				t.Setenv(k, v)
			}
			_, err := s3.Open("s3://records")
			require.ErrorContains(t, err, "open s3://records: ")
			require.ErrorContains(t, err, tt.want)
		})
	}
	bare(t)
	t.Setenv("AWS_DEFAULT_REGION", "eu-central-1")
	b, err := s3.Open("s3://records/team")
	require.NoError(t, err)
	require.Equal(t, "s3://records/team", b.String())
}

// answering is a store that always answers the same.
func answering(t *testing.T, h http.HandlerFunc) *s3.Bucket {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	bare(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
	b, err := s3.Open("s3://records/team")
	require.NoError(t, err)
	return b
}

// TestErrorsSayWhatToDo has answers that the real store of testsuite/s3 cannot be brought to give.
func TestErrorsSayWhatToDo(t *testing.T) {
	tests := map[string]struct {
		status     int
		code, want string
	}{
		"busy":            {503, "SlowDown", "answers 503 SlowDown: what it says"},
		"broken":          {500, "InternalError", "answers 500 InternalError: what it says"},
		"no right":        {403, "AccessDenied", "a worker needs s3:PutObject on s3://records/team/*, a reader s3:ListBucket and s3:GetObject"},
		"old credentials": {400, "ExpiredToken", "the credentials have expired: what it says"},
		"a wrong clock":   {403, "RequestTimeTooSkewed", "the clocks of this machine and of the store are too far apart for its signatures"},
		"another region":  {301, "PermanentRedirect", "bucket records is in the region eu-far-1: what it says; set AWS_REGION to it"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			asked := 0
			b := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				w.Header().Set("X-Amz-Bucket-Region", "eu-far-1")
				w.WriteHeader(tt.status)
				_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>what it says</Message></Error>", tt.code)
			})
			err := b.Put(t.Context(), "one/part.jsonl", []byte("x\n"))
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "canary")
			require.Equal(t, 1, asked, "the caller decides when to ask again")
		})
	}
}

func TestAStoreThatDoesNotKnowConditionsIsAskedWithout(t *testing.T) {
	var conditions []string
	b := answering(t, func(w http.ResponseWriter, r *http.Request) {
		conditions = append(conditions, r.Header.Get("If-None-Match"))
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotImplemented)
			_, _ = fmt.Fprint(w, "<Error><Code>NotImplemented</Code></Error>")
		}
	})
	require.NoError(t, b.Put(t.Context(), "one/part.jsonl", []byte("x\n")))
	require.Equal(t, []string{"*", ""}, conditions)
}

func TestAStoreThatDoesNotAnswerIsLeftWithTheContext(t *testing.T) {
	b := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or nobody sees who leaves
		<-r.Context().Done()
	})
	ctx, done := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer done()
	require.ErrorContains(t, b.Put(ctx, "one/part.jsonl", []byte("x\n")), "does not answer in time")
}

func TestCredentialsAreFoundWhereToolsForS3FindThem(t *testing.T) {
	var authorization, token string
	ask := func(t *testing.T) error {
		t.Helper()
		b, err := s3.Open("s3://records")
		require.NoError(t, err)
		return b.Put(t.Context(), "one/part.jsonl", []byte("x\n"))
	}
	store := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		authorization, token = r.Header.Get("Authorization"), r.Header.Get("X-Amz-Security-Token")
	}))
	defer store.Close()
	var asked string
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked = r.FormValue("RoleArn") + " " + r.FormValue("WebIdentityToken"); asked != "arn:aws:iam::1:role/records a token" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>who are you?</Message></Error></ErrorResponse>`)
			return
		}
		_, _ = fmt.Fprint(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ofrole</AccessKeyId>`+
			`<SecretAccessKey>s</SecretAccessKey><SessionToken>session</SessionToken><Expiration>2130-01-01T00:00:00Z</Expiration>`+
			`</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`)
	}))
	defer sts.Close()

	bare(t)
	t.Setenv("AWS_ENDPOINT_URL", store.URL)
	t.Setenv("AWS_REGION", "eu-central-1")
	file := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(file, []byte("[other]\naws_access_key_id = offile\naws_secret_access_key = s\n"), 0o600))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_PROFILE", "other")
	require.NoError(t, ask(t))
	require.Contains(t, authorization, "Credential=offile/")
	require.Contains(t, authorization, "/eu-central-1/s3/")
	t.Setenv("AWS_PROFILE", "missing")
	require.ErrorContains(t, ask(t), "there are no credentials in "+file)

	identity := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(identity, []byte("a token"), 0o600))
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", identity)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/records")
	require.NoError(t, ask(t))
	require.Contains(t, authorization, "Credential=ofrole/")
	require.Equal(t, "session", token)
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/another")
	require.ErrorContains(t, ask(t), "there are no credentials by the token in AWS_WEB_IDENTITY_TOKEN_FILE: ")

	t.Setenv("AWS_ACCESS_KEY_ID", "ofenvironment")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	require.NoError(t, ask(t))
	require.Contains(t, authorization, "Credential=ofenvironment/")
}
