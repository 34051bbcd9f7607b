// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/fakegithub"
)

// apart is a GitHub with an App, by which a worker tells it how releases go.
type apart struct {
	*fakegithub.GitHub
	url string
}

func openApart(t *testing.T) *apart {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	a := &apart{GitHub: fakegithub.New(githubToken, time.Now)}
	a.InstallApp(7, 9, &key.PublicKey)
	api := httptest.NewServer(a)
	t.Cleanup(api.Close)
	a.url = api.URL
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	world.Plant("the App's private key", strings.Split(string(text), "\n")[1])
	file := filepath.Join(t.TempDir(), "receivers.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "receivers: {hub: {github: {url: %q, app: {id: 7, installation: 9, privateKey: %q}}}}\n", a.url, text), 0o600))
	replaceWorker(t, stage.WorkerOptions{Env: map[string]string{"SLIPWAY_RECEIVERS": file, "SLIPWAY_TEMPORAL_UI_URL": "https://temporal.example"}})
	t.Cleanup(func() { replaceWorker(t, stage.WorkerOptions{}) })
	return a
}

// visit is a GitHub whose jobs come to an environment that a shop is released to.
type visit struct {
	*apart
	t    *testing.T
	hook int64
}

const environmentTrigger = "{sender: github, event: deployment_protection_rule, repository: acme/shop, branch: main, environment: live, image: 'registry.sandbox/shop:{commit}'}"

// comes lets a job wait for the release of a version, and returns its run and the image.
func (v *visit) comes(version, commit string) (fakegithub.Job, string) {
	v.t.Helper()
	built := image(v.t, version)
	world.Registry.Tag(built, commit)
	job, d, err := v.Enter(v.t.Context(), v.hook, fakegithub.Entry{
		Repository: "acme/shop", Environment: "live", Branch: "main", Commit: commit, By: "grace", Event: "push", API: v.url,
	})
	require.NoError(v.t, err)
	require.Equal(v.t, 202, d.StatusCode, d.Response)
	return job, built
}

// hears waits until a job was told something, and requires the answer that it has by then.
func (v *visit) hears(job fakegithub.Job, text, state string) {
	v.t.Helper()
	look := func() fakegithub.Job {
		all := v.Jobs()
		return all[slices.IndexFunc(all, func(j fakegithub.Job) bool { return j.Run == job.Run })]
	}
	ctx, cancel := context.WithTimeout(v.t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(v.t, stage.Await(ctx, func(context.Context) error {
		if all := strings.Join(look().Comments, "\n"); !strings.Contains(all, text) {
			return fmt.Errorf("the job has not heard %q: %s", text, all)
		}
		return nil
	}))
	require.Equal(v.t, state, look().State)
}

func (v *visit) reviews(job fakegithub.Job, by, action string, status int) {
	v.t.Helper()
	d, err := v.Review(v.t.Context(), v.hook, job, by, action)
	require.NoError(v.t, err)
	require.Equal(v.t, status, d.StatusCode, d.Response)
}

func TestAJobAtAnEnvironmentWaitsForItsReleaseAndItsReviewerOpensTheGate(t *testing.T) {
	a := openApart(t)
	shop := openShop(t, stage.ShopOptions{Namespace: "waited"})
	r := receive(t, shop, stage.Quick{
		Steps:         []string{`{weight: 10, hold: 1s, gate: {approvers: ["github:ann"], fourEyes: true, within: 2m}}`},
		Notifications: "[{to: [hub]}]",
	}, entry{github: a.GitHub, api: a.url, trigger: environmentTrigger})
	v := &visit{apart: a, t: t, hook: r.hook}
	job, built := v.comes("v2", strings.Repeat("c", 40))
	v.hears(job, "waits for people", "")
	v.reviews(job, "grace", "approved", 409)
	v.reviews(job, "eve", "approved", 409)
	v.reviews(job, "ann", "approved", 202)
	v.hears(job, "was released", "approved")
	atRest(t, shop, built)
	for _, one := range a.Deployments("acme/shop") { // what Slipway shows there starts nothing
		d, err := a.Deliver(t.Context(), r.hook, "deployment", map[string]any{"deployment": one, "repository": map[string]any{"id": 7, "full_name": "acme/shop"}})
		require.NoError(t, err)
		require.Equal(t, 200, d.StatusCode)
		require.Contains(t, d.Response.Payload, "Slipway has created this deployment itself")
	}

	again, _ := v.comes("v2", strings.Repeat("c", 40))
	v.hears(again, "this image serves already", "approved")

	bad, _ := v.comes("candidate", strings.Repeat("d", 40))
	v.hears(bad, "waits for people", "")
	v.reviews(bad, "ann", "rejected", 202)
	v.hears(bad, "was taken back", "rejected")
	atRest(t, shop, built)
}
