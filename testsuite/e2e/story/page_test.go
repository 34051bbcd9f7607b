// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// onPage is a plan of the first page.
var onPage = regexp.MustCompile("(?ms)^```yaml\n(apiVersion: slipway.dev/[^\n]*\nkind: Plan\n.*?)^```$")

// long are the times of a plan for production.
var long = regexp.MustCompile(`\b\d+[mh]\b`)

// pagePlan is the plan of a page for a shop of the sandbox, in quick motion.
func pagePlan(t *testing.T, shop *stage.Shop, text string) string {
	t.Helper()
	text = strings.NewReplacer(
		"namespace: shop", "namespace: "+shop.Namespace, "checkout", shop.Name, "environment: production", "environment: test",
		"within: 4h", "within: 1m", "  analysis:\n", "  analysis:\n    warmUp: 100ms\n    interval: 1s\n    block: 1s\n    soak: 1s\n    history: 60s\n    window: 3s\n    minRequests: 10\n",
		"errors: {", "errors: {margin: 30, ", "latency: {", "latency: {margin: 30, ",
	).Replace(text)
	text = strings.ReplaceAll(long.ReplaceAllString(text, "3s"), "within: 3s", "within: 1m")
	file := filepath.Join(t.TempDir(), "plan.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestThePlansOfTheFirstPageAreReleasedAlsoWhenTheWorkerDies(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(world.Repository, "README.md"))
	require.NoError(t, err)
	plans := onPage.FindAllStringSubmatch(string(page), -1)
	require.Len(t, plans, 3)
	for i, name := range []string{"canary", "bluegreen", "rolling"} {
		t.Run(name, func(t *testing.T) {
			shop := openShop(t, stage.ShopOptions{Namespace: "page-" + name})
			v2 := image(t, "v2")
			r := launch(t, shop, "release", "-f", pagePlan(t, shop, plans[i][1]), "--image", v2)
			r.until("the release is judged, or people are asked", func() bool {
				return detailsContain(t, shop, "is judged") || detailsContain(t, shop, "approval by 1 of")
			})
			restartWorker(t)
			if strings.Contains(plans[i][1], "gate:") {
				r.until("people are asked", func() bool { return detailsContain(t, shop, "approval by 1 of") })
				r.tell("approve", shop.Lane(), "--by", "ann")
			}
			said, seen := r.end()
			require.Zero(t, said.Code, said.Err+said.Out)
			require.Zero(t, seen.Failed, seen.Errors)
			atRest(t, shop, v2)
		})
	}
}
