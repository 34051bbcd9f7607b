// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// world is the one sandbox of these tests, temporal a client of it.
var (
	world    *stage.Stage
	temporal client.Client
	record   = flag.String("record", "", "directory to write histories into, for the replay tests")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(stage.Tests(stage.Open, func(s *stage.Stage) int {
		world = s
		var err error
		if temporal, err = s.Dial(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer temporal.Close()
		code := m.Run()
		if err := search(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}))
}

// openShop closes it with the test.
func openShop(t *testing.T, o stage.ShopOptions) *stage.Shop {
	t.Helper()
	if o.Rate == 0 {
		o.Rate = 100
	}
	shop, err := world.OpenShop(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(shop.Close)
	return shop
}

func image(t *testing.T, version string, env ...string) string {
	t.Helper()
	faults := map[string]string{}
	for i := 0; i < len(env); i += 2 {
		faults[env[i]] = env[i+1]
	}
	ref, err := world.PutImage(version, faults)
	require.NoError(t, err)
	return ref
}

// telling is a release under way.
type telling struct {
	t     *testing.T
	shop  *stage.Shop
	began time.Time
	said  chan stage.Said
}

// begin starts `slipway release --wait` beside the test.
func begin(t *testing.T, shop *stage.Shop, q stage.Quick, image string) *telling {
	t.Helper()
	plan, err := shop.Plan(q)
	require.NoError(t, err)
	return launch(t, shop, "release", "-f", plan, "--image", image)
}

// launch starts a command that takes the shop's lane, and waits beside the test for its end.
func launch(t *testing.T, shop *stage.Shop, args ...string) *telling {
	t.Helper()
	shop.Cut()
	r := &telling{t: t, shop: shop, began: time.Now(), said: make(chan stage.Said, 1)}
	go func() {
		said, err := world.Slipway(t.Context(), append(args, "--wait")...)
		if err != nil {
			said = stage.Said{Err: err.Error(), Code: -1}
		}
		r.said <- said
	}()
	return r
}

// until waits for a condition of the release, such as a share on its route.
func (r *telling) until(what string, ok func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	err := stage.Await(ctx, func(context.Context) error {
		if len(r.said) > 0 {
			said := <-r.said
			r.said <- said
			return fmt.Errorf("%s: ended before: %+v", what, said)
		}
		if !ok() {
			return errors.New(what)
		}
		return nil
	})
	require.NoError(r.t, err)
}

// untilShare waits until the route gives the candidate a share.
func (r *telling) untilShare(share int) {
	r.t.Helper()
	r.until(fmt.Sprintf("the candidate has %d %%", share), func() bool { return slices.Contains(r.shares(), share) })
}

func (r *telling) shares() []int { return r.shop.Route.Shares(r.began) }

// end waits for the end and returns what users have seen meanwhile.
func (r *telling) end() (stage.Said, load.Report) {
	r.t.Helper()
	select {
	case said := <-r.said:
		return said, load.Summarize(r.shop.Cut())
	case <-time.After(3 * time.Minute):
		status, err := world.Slipway(r.t.Context(), "status", r.shop.Lane())
		require.NoError(r.t, err)
		require.FailNow(r.t, "the release does not end", status.Out)
		return stage.Said{}, load.Report{}
	}
}

// summary is what users have seen since the load was cut last.
func summary(shop *stage.Shop) load.Report { return load.Summarize(shop.Cut()) }

// releaseOf is the ID of the oldest release of an image in a list of the command line.
func releaseOf(t *testing.T, list, image string) string {
	t.Helper()
	var all []struct{ ID, Image string }
	require.NoError(t, json.Unmarshal([]byte(list), &all))
	for _, r := range slices.Backward(all) {
		if r.Image == image {
			return r.ID
		}
	}
	require.FailNow(t, "not in the list", list)
	return ""
}

// tell gives a command and expects it to be accepted.
func (r *telling) tell(args ...string) {
	r.t.Helper()
	said, err := world.Slipway(r.t.Context(), args...)
	require.NoError(r.t, err)
	require.Zero(r.t, said.Code, said.Err)
}

func snapshot(t *testing.T, shop *stage.Shop) stage.World {
	t.Helper()
	w, err := shop.World(t.Context())
	require.NoError(t, err)
	return w
}

// atRest requires that one image serves and nothing is left over.
func atRest(t *testing.T, shop *stage.Shop, serves string) {
	t.Helper()
	serving, spare := snapshot(t, shop).Serving(shop.Name)
	require.Equal(t, serves, serving)
	require.Empty(t, spare)
}

// keepHistory writes the newest history of a workflow for the replay tests, where that was asked for.
func keepHistory(t *testing.T, workflow, name string) {
	t.Helper()
	if *record == "" {
		return
	}
	h, err := stage.History(t.Context(), temporal, workflow)
	require.NoError(t, err)
	text, err := protojson.Marshal(h)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(*record, name+".json"), append(bytes.TrimSpace(text), '\n'), 0o644))
}
