// SPDX-License-Identifier: Apache-2.0

package match_test

import (
	"strings"
	"testing"

	"github.com/distribution/reference"

	"github.com/slipwayhq/slipway/starter/server/match"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// FuzzTrigger finds an event by which something is released that the trigger does not name.
func FuzzTrigger(f *testing.F) {
	f.Add("main", "v2", commit, "ghcr.io/acme/shop:v2", "{commit}")
	f.Add("release/2", "v2", "", "ghcr.io/acme/shop:v2@"+digest, "")
	f.Add("a", "@sha256:1", commit, "evil/shop:v2", "{branch}-{tag}-{short}")
	f.Fuzz(func(t *testing.T, branch, tag, sha, image, template string) {
		tr := plan.Trigger{Sender: plan.SenderGeneric, Event: plan.EventRelease, Repository: "acme/shop", Image: "ghcr.io/acme/shop"}
		if template != "" && !strings.ContainsAny(template, "/:") {
			tr.Image += ":" + template
		}
		fit := match.Trigger(tr, sender.Event{Event: plan.EventRelease, Branch: branch, Tag: tag, Commit: sha, Image: image})
		if (fit.Why == "") == (fit.Image == "") {
			t.Fatalf("neither an image nor a reason, or both: %+v", fit)
		}
		if fit.Why != "" {
			return
		}
		named, err := reference.ParseNormalizedNamed(fit.Image)
		if err != nil || named.Name() != "ghcr.io/acme/shop" || reference.IsNameOnly(named) {
			t.Errorf("%q: %v", fit.Image, err)
		}
	})
}
