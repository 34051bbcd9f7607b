// SPDX-License-Identifier: Apache-2.0

package main

// mutant is one way to break a promise.
type mutant struct {
	promise, name string
	// file is changed: was becomes is.
	file, was, is string
}

// mutants are three for each promise.
func mutants() []mutant {
	const track, back, watch, finding = "workflows/track.go", "workflows/takeback.go", "workflows/watch.go", "workflows/decide/judge/finding.go"
	return []mutant{
		{"I1", "a promotion to 101 %", track, "r.shift(ctx, 100); err", "r.shift(ctx, 101); err"},
		{"I1", "a step of three times its weight", "workflows/canary.go", "c.shift(ctx, p.Weight)", "c.shift(ctx, 3*p.Weight)"},
		{"I1", "a way back to -1 %", back, "Route: r.route, Weight: weight})", "Route: r.route, Weight: weight - 1})"},

		{"I2", "nobody looks at the pods before a weight", "activities/traffic.go", "if !ready.Ready {", "if ready.Ready && false {"},
		{"I2", "the undo goes forward through its list", "workflows/undo.go", "slices.Backward(*u)", "slices.All(*u)"},
		{"I2", "the old track goes without a bake", "workflows/canary.go", "err := c.bake(ctx); err", "err := ctx.Err(); err"},

		{"I5", "the candidate is kept by an undo", back, "DeleteDeployment: !r.tracks.CandidateExists", "DeleteDeployment: false"},
		{"I5", "what an undo could not do is not told", back, "if len(left) > 0 {", "if len(left) > 100 {"},
		{"I5", "an undo does not wait for creates under way", back, "if left <= 0 {", "if left < 1<<62 {"},

		{"I8", "few requests are enough", finding, "case both.nc < p.Requests || !s.soaked(p):", "case both.nc < 0 || !s.soaked(p):"},
		{"I8", "metrics that cannot be read are a pass", finding, "case s.Gap != \"\":\n\t\treturn Blind", "case s.Gap != \"\":\n\t\treturn Advance"},
		{"I8", "unknown lets the weight rise", watch, "case decide.Unknown:\n\t}", "case decide.Unknown:\n\t\treturn nil\n\t}"},

		{"I9", "all writes of a release have one step", "workflows/release.go", "r.fence.Step++", "r.fence.Step = 1"},
		{"I9", "steps do not count in a fence", "activities/cluster.go", "f.Release == o.Release && f.Step < o.Step", "false"},
		{"I9", "steps go backwards", "workflows/release.go", "r.fence.Step++", "r.fence.Step--"},

		{"I10", "an abort does not stop what is under way", "workflows/command.go", "r.aborted = &cmd\n\t\t}\n\t\tr.cancel()", "r.aborted = &cmd\n\t\t}"},
		{"I10", "an abort is only written down", "workflows/command.go", "r.aborted = &cmd\n\t\t}\n\t\tr.cancel()", "_ = cmd\n\t\t}"},
		{
			"I10", "an abort that meets the last result is forgotten", track,
			"// An abort can be accepted in the very task that brings the last result: it still comes first.\n\treturn ctx.Err()", "return nil",
		},

		{"I12", "the candidate gets the old image", track, "Target: target, Tracks: t, Image: r.in.Image", "Target: target, Tracks: t, Image: t.StableImage"},
		{"I12", "any image of the candidate is ready", "activities/traffic.go", "a.Pods.Readiness(ctx, *in)", "a.Pods.Readiness(ctx, AwaitReadyIn{Deployment: in.Deployment})"},
		{"I12", "an undo keeps the new image in a track that had another", back, "r.in.Plan.Spec.Target.Container, r.tracks.CandidateImage", "r.in.Plan.Spec.Target.Container, r.in.Image"},

		{"I13", "a fail lets the weight rise", watch, `return stop("%s failed at %d %%: %s", j.what, j.weight, watched.Verdict.Reason)`, "return nil"},
		{"I13", "a pass counts before the end of the hold", "activities/cluster.go", "o == decide.Pass && !now.Before(holdUntil)", "o == decide.Pass"},
		{"I13", "a watch does not hold", watch, "HoldUntil: now.Add(hold),", "HoldUntil: now,"},
	}
}
