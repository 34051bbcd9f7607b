// SPDX-License-Identifier: Apache-2.0

package match

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// shortCommit is how much of a commit {short} stands for.
const shortCommit = 7

// Fit is the image that a trigger takes from an event, or why it takes none.
type Fit struct{ Image, Why string }

// Plan is what the first trigger of a plan that fits takes, or why the last one does not. Ours is false where none is
// of the event's sender and repository.
func Plan(p plan.Plan, e sender.Event) (fit Fit, ours bool) {
	for _, t := range p.Spec.Triggers {
		if t.Sender != e.Sender || !strings.EqualFold(t.Repository, e.Repository) {
			continue
		}
		if fit = Trigger(t, e); fit.Why == "" {
			return fit, true
		}
		ours = true
	}
	return fit, ours
}

// Trigger compares an event with a trigger of its sender and repository.
func Trigger(t plan.Trigger, e sender.Event) Fit {
	if why := differs(t, e); why != "" {
		return Fit{Why: why}
	}
	return image(t, e)
}

// Owns reports whether a trigger of a plan takes what a CI job brings, whatever its image is.
func Owns(p plan.Plan, e sender.Event) bool {
	return slices.ContainsFunc(p.Spec.Triggers, func(t plan.Trigger) bool {
		return t.Sender == e.Sender && strings.EqualFold(t.Repository, e.Repository) && differs(t, e) == ""
	})
}

// differs says in what an event is not what a trigger wants; empty: in nothing.
func differs(t plan.Trigger, e sender.Event) string {
	for _, c := range []struct{ name, want, have string }{
		{"event", t.Event, e.Event},
		{"branch", t.Branch, e.Branch},
		{"tag", t.Tag, e.Tag},
		{"environment", t.Environment, e.Environment},
		{"repository ID", t.RepositoryID, e.RepositoryID},
		{"owner ID", t.OwnerID, e.OwnerID},
	} {
		if c.want != "" && !like(c.want, c.have, c.name == "branch" || c.name == "tag") {
			return fmt.Sprintf("the %s is %q, and only %q is taken", c.name, c.have, c.want)
		}
	}
	if t.Workflow != "" && !slices.Contains(e.Workflows, t.Workflow) {
		return fmt.Sprintf("the workflow is %q, and only %q is taken", strings.Join(e.Workflows, ", "), t.Workflow)
	}
	return ""
}

// like compares a value with what a plan wants; a pattern's * stands for anything but a slash.
func like(want, have string, pattern bool) bool {
	if !pattern {
		return want == have
	}
	ok, err := path.Match(want, have)
	return err == nil && ok
}

// image is the one that the event names, or the one that its tag is made for.
func image(t plan.Trigger, e sender.Event) Fit {
	source, err := reference.ParseNormalizedNamed(t.Source())
	if err != nil {
		return Fit{Why: fmt.Sprintf("the trigger's image %q is none", t.Image)}
	}
	if t.Template() != "" {
		return made(source, t.Template(), e)
	}
	named, err := reference.ParseNormalizedNamed(e.Image)
	switch {
	case e.Image == "":
		return Fit{Why: "the event names no image"}
	case err != nil:
		return Fit{Why: fmt.Sprintf("the event's image %q is none", e.Image)}
	case named.Name() != source.Name():
		return Fit{Why: fmt.Sprintf("the image is of %s, and only images of %s are taken", named.Name(), source.Name())}
	case reference.IsNameOnly(named):
		return Fit{Why: "the event's image has neither tag nor digest"}
	}
	if digested, ok := named.(reference.Digested); ok { // a tag beside a digest says nothing
		return Fit{Image: named.Name() + "@" + digested.Digest().String()}
	}
	return Fit{Image: named.String()}
}

// made fills a tag with what the event says.
func made(source reference.Named, template string, e sender.Event) Fit {
	if strings.Contains(template, "{commit}") || strings.Contains(template, "{short}") {
		if !regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`).MatchString(e.Commit) {
			return Fit{Why: fmt.Sprintf("the commit %q is no whole hash", e.Commit)}
		}
	}
	values := map[string]string{
		"{commit}": e.Commit, "{short}": e.Commit[:min(shortCommit, len(e.Commit))], "{branch}": strings.ReplaceAll(e.Branch, "/", "-"), "{tag}": e.Tag,
	}
	missing := ""
	tag := plan.Placeholders().ReplaceAllStringFunc(template, func(name string) string {
		if values[name] == "" {
			missing = name
		}
		return values[name]
	})
	switch {
	case missing != "":
		return Fit{Why: fmt.Sprintf("the event says nothing of %s, which the image's tag is made of", missing)}
	case !plan.IsTag(tag):
		return Fit{Why: fmt.Sprintf("%q is not a tag of an image", tag)}
	}
	return Fit{Image: source.Name() + ":" + tag}
}
