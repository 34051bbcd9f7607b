// SPDX-License-Identifier: Apache-2.0

package main

// mutant is one way to break a promise.
type mutant struct {
	promise, name string
	// file is changed: was becomes is.
	file, was, is string
	// by is the test that is asked first, as "package Test"; empty: the simulation.
	by string
}

// The files that most mutants change.
const (
	track    = "workflows/track.go"
	back     = "workflows/takeback.go"
	watch    = "workflows/watch.go"
	command  = "workflows/command.go"
	decision = "workflows/decision.go"
	lane     = "workflows/lane.go"
	finding  = "workflows/decide/judge/finding.go"
	cluster  = "activities/cluster.go"
	traffic  = "activities/traffic.go"
	analysis = "activities/analysis.go"
)

// mutants are three at least for each promise whose code exists.
func mutants() []mutant {
	var out []mutant
	for _, some := range [][]mutant{weights(), ends(), order(), people(), returns(), accounts()} {
		out = append(out, some...)
	}
	return out
}

// weights are those of what requests reach: I1, I2, I8, I12 and I13.
func weights() []mutant {
	return []mutant{
		{promise: "I1", name: "a promotion to 101 %", file: track, was: "r.shift(ctx, 100); err", is: "r.shift(ctx, 101); err"},
		{promise: "I1", name: "a step of three times its weight", file: "workflows/canary.go", was: "c.shift(ctx, p.Weight)", is: "c.shift(ctx, 3*p.Weight)"},
		{promise: "I1", name: "a way back to -1 %", file: back, was: "Route: r.route, Weight: weight})", is: "Route: r.route, Weight: weight - 1})"},

		{promise: "I2", name: "nobody looks at the pods before a weight", file: traffic, was: "if !ready.Ready {", is: "if ready.Ready && false {"},
		{promise: "I2", name: "nor before callers inside the cluster are turned", file: track, was: "r.tracks.CandidateSelector, r.able(ctx, r.tracks.Candidate, r.size))", is: "r.tracks.CandidateSelector, nil)"},
		{promise: "I2", name: "the undo goes forward through its list", file: "workflows/undo.go", was: "slices.Backward(*u)", is: "slices.All(*u)"},
		{promise: "I2", name: "the old track goes without a bake", file: "workflows/canary.go", was: "err := c.bake(ctx); err", is: "err := ctx.Err(); err"},

		{promise: "I8", name: "few requests are enough", file: finding, was: "case both.nc < p.Requests || !s.soaked(p):", is: "case both.nc < 0 || !s.soaked(p):"},
		{promise: "I8", name: "metrics that cannot be read are a pass", file: finding, was: "case s.Gap != \"\":\n\t\treturn Blind", is: "case s.Gap != \"\":\n\t\treturn Advance"},
		{promise: "I8", name: "a rule without an answer lets the weight rise", file: "workflows/decide/judge/rule.go", was: "case r.Unsure >= blindTicks:", is: "case r.Unsure >= 1e9:", by: "./workflows/decide/judge TestWhatRulesSayBecomesAVerdict"},
		{promise: "I8", name: "unknown lets the weight rise", file: watch, was: "case decide.Unknown:\n\t}", is: "case decide.Unknown:\n\t\treturn nil\n\t}"},

		{promise: "I12", name: "the candidate gets the old image", file: track, was: "Target: target, Tracks: t, Image: r.in.Image", is: "Target: target, Tracks: t, Image: t.StableImage"},
		{
			promise: "I12", name: "any image of the candidate is ready", file: traffic,
			was: "a.Pods.Readiness(ctx, *in)", is: "a.Pods.Readiness(ctx, AwaitReadyIn{Deployment: in.Deployment})",
		},
		{
			promise: "I12", name: "an undo keeps the new image in a track that had another", file: back,
			was: "r.in.Plan.Spec.Target.Container, r.tracks.CandidateImage", is: "r.in.Plan.Spec.Target.Container, r.in.Image",
		},

		{
			promise: "I13", name: "a fail lets the weight rise", file: watch,
			was: `return stop("%s failed %s: %s", j.what, r.place(j.weight), watched.Verdict.Reason)`, is: "return nil",
		},
		{promise: "I13", name: "a pass counts before the end of the hold", file: cluster, was: "o == decide.Pass && !now.Before(holdUntil)", is: "o == decide.Pass"},
		{
			promise: "I13", name: "a check of a step is not waited for", file: "workflows/canary.go",
			was: "err := c.checkAll(ctx, p.Checks); err", is: "err := ctx.Err(); err", by: "./workflows TestACheckOfAStepThatFails",
		},
		{
			promise: "I13", name: "nobody watches beside a check", file: "workflows/check.go",
			was: "r.rolls != nil || r.status.Weight == 0", is: "r.status.Weight >= 0", by: "./workflows TestACandidateThatTurnsBadDuringACheck",
		},
		{promise: "I13", name: "a watch does not hold", file: watch, was: "HoldUntil: now.Add(hold),", is: "HoldUntil: now,"},
		{promise: "I13", name: "a gate does not wait for the other system", file: "workflows/ask.go", was: "q.answered() && confirmed()", is: "q.answered()"},
	}
}

// draining is how a candidate is removed, in its own file.
const draining = "if err := r.drain(ctx); err != nil {\n\t\treturn err\n\t}\n\tif err := r.landed("

// ends are those of how a release ends, and of what it leaves behind: I5 and I7.
func ends() []mutant {
	return []mutant{
		{promise: "I5", name: "an undo removes what serves", file: back, was: "Spare: &activities.Spare{Service: r.route.Stable, Selector: r.tracks.CandidateSelector},", is: ""},
		{promise: "I5", name: "the candidate is kept by an undo", file: back, was: "DeleteDeployment: !r.tracks.CandidateExists", is: "DeleteDeployment: false"},
		{promise: "I5", name: "what an undo could not do is not told", file: back, was: "if len(left) > 0 {", is: "if len(left) > 100 {"},
		{promise: "I5", name: "an undo does not wait for creates under way", file: back, was: "if left <= 0 {", is: "if left < 1<<62 {"},
		{promise: "I5", name: "a refused release leaves its record open", file: "workflows/safestate.go", was: "if !r.recorded {", is: "if r.recorded {"},

		{promise: "I7", name: "requests on the candidate get no time to finish", file: back, was: draining, is: "if err := r.landed("},
		{promise: "I7", name: "those of testers get none", file: back, was: draining, is: "if r.previewed && r.status.MaxWeight == 0 {\n\t\tr.previewed = false\n\t} else " + draining},
		{
			promise: "I7", name: "those on a candidate that has returned get none", file: "workflows/home.go",
			was: "if err := r.drain(ctx); err != nil {", is: "if err := ctx.Err(); err != nil {",
		},
	}
}

// order are those of what comes before and after what: I3, I9, I10, I17 and I20.
func order() []mutant {
	const flows = "./workflows "
	return []mutant{
		{
			promise: "I3", name: "a lane starts a release beside the one that runs", file: "workflows/decide/lane.go",
			was: "	if q.Running != nil {\n\t\treturn Move{Why: q.Running.ID + \" runs\"}\n\t}\n", is: "", by: flows + "TestALaneRunsOneReleaseAtATime",
		},
		{
			promise: "I3", name: "a lane that begins anew does not look what runs", file: lane,
			was: "if err == nil && newest.Running {", is: "if err != nil && newest.Running {", by: flows + "TestALaneThatBeginsAnewFindsTheReleaseThatRuns",
		},
		{
			promise: "I3", name: "a lane starts again what has run before its reset", file: lane,
			was: "if newest.Running || l.waits(newest.ID) >= 0 {", is: "if newest.Running {", by: flows + "TestALaneThatWasResetStartsNothingTwice",
		},

		{promise: "I9", name: "all writes of a release have one step", file: "workflows/release.go", was: "r.fence.Step++", is: "r.fence.Step = 1"},
		{promise: "I9", name: "steps do not count in a fence", file: cluster, was: "f.Release == o.Release && f.Step < o.Step", is: "false"},
		{promise: "I9", name: "steps go backwards", file: "workflows/release.go", was: "r.fence.Step++", is: "r.fence.Step--"},

		{promise: "I10", name: "an abort does not stop what is under way", file: command, was: "r.aborted = &cmd\n\t\t}\n\t\tr.cancel()", is: "r.aborted = &cmd\n\t\t}"},
		{promise: "I10", name: "an abort is only written down", file: command, was: "r.aborted = &cmd\n\t\t}\n\t\tr.cancel()", is: "_ = cmd\n\t\t}"},
		{promise: "I10", name: "steps back begin on a route that was left", file: "workflows/stepback.go", was: "if hold == 0 || r.left {", is: "if hold == 0 {"},
		{
			promise: "I10", name: "an abort that meets the last result is forgotten", file: track,
			was: "// An abort can be accepted in the very task that brings the last result: it still comes first.\n\treturn ctx.Err()", is: "return nil",
			by: flows + "TestAnAbortInTheTaskOfTheLastResultComesFirst",
		},

		{
			promise: "I17", name: "the metrics are no longer looked at", file: "workflows/release.go",
			was: "\tif r.measured() {\n\t\thistory, err", is: "\tif !r.measured() {\n\t\thistory, err",
			by: flows + "TestRecordedHistoriesReplay",
		},
		{
			promise: "I17", name: "a phase is searched for no longer", file: "workflows/status.go",
			was: "return r.attributes(ctx, append(also, PhaseAttribute.ValueSet(string(p)), WeightAttribute.ValueSet(int64(r.status.Weight)))...)",
			is:  "return ctx.Err()", by: flows + "TestRecordedHistoriesReplay",
		},
		{
			promise: "I17", name: "requests get no time to finish before a track goes", file: back,
			was: draining, is: "if err := r.landed(", by: flows + "TestRecordedHistoriesReplay",
		},

		{promise: "I20", name: "a watch of a pause ends again and again", file: watch, was: "untilTold = 30 * 24 * time.Hour", is: "untilTold = 20 * time.Second"},
		{promise: "I20", name: "a release hears any number of commands", file: command, was: "maxCommands = 500", is: "maxCommands = 500_000", by: flows + "TestAFloodOfCommandsIsStoppedAndAnAbortIsStillHeard"},
		{promise: "I20", name: "any number of bare updates is recorded", file: decision, was: "maxBare = 10", is: "maxBare = 10_000", by: flows + "TestABareUpdateIsRecordedAFewTimesAndThenRefusedForNothing"},
	}
}

// people are those of decisions, and of what people change: I4, I14 and I19.
func people() []mutant {
	const flows, edit = "./workflows ", "workflows/edit.go"
	const known, person = "./starter/server/access ", "starter/server/access/person.go"
	return []mutant{
		{promise: "I4", name: "an approval of another step counts", file: decision, was: "case s.Step != r.status.Where() && NeedsStatement(name):", is: "case s.Step == \"\" && NeedsStatement(name):", by: flows + "TestADecisionAboutSomethingElseChangesNothing"},
		{promise: "I4", name: "an approval without a statement counts", file: decision, was: "case s == nil && !NeedsStatement(name):", is: "case s == nil:", by: flows + "TestABareUpdateIsRecordedAFewTimesAndThenRefusedForNothing"},
		{promise: "I4", name: "whoever has requested a release may approve it", file: command, was: "case q.FourEyes && cmd.By == r.in.RequestedBy:\n\t\treturn stop(\"%s has requested the release, and this question", is: "case q.FourEyes && cmd.By == \"\":\n\t\treturn stop(\"%s has requested the release, and this question", by: flows + "TestFourEyes"},
		{promise: "I4", name: "an e-mail address that nobody has verified names a person", file: person, was: "&verified) != nil || !verified {", is: "&verified) != nil && verified {", by: known + "TestImpostorsAreNotRecognised"},
		{promise: "I4", name: "a person may be called like a group", file: person, was: "`^[A-Za-z0-9_][", is: "`^[@A-Za-z0-9_][", by: known + "TestImpostorsAreNotRecognised"},
		{promise: "I4", name: "Ann in capitals is somebody else", file: person, was: "		name = strings.ToLower(name)\n", is: "		name = strings.TrimSpace(name)\n", by: known + "TestATokenOfTheCompanySaysWhoAPersonIs"},
		{promise: "I4", name: "a token for another system too is taken", file: "starter/server/access/issuer.go", was: "case len(checked.Audience) != 1:", is: "case len(checked.Audience) == 0:", by: known + "TestImpostorsAreNotRecognised"},
		{promise: "I4", name: "one person is a quorum of two", file: command, was: "case slices.Contains(q.Approvals, cmd.By):", is: "case slices.Contains(q.Approvals, \"\"):", by: flows + "TestAGateOpensForTheEntitled"},

		{promise: "I14", name: "nobody looks at edits before a weight", file: traffic, was: "if err != nil || len(edits) > 0 {", is: "if edits = nil; err != nil {"},
		{promise: "I14", name: "every edit is taken back unasked", file: edit, was: "answer, err := r.decided(ctx, edits)", is: "answer, err := EditsTakeBack, ctx.Err()"},
		{promise: "I14", name: "somebody's weights are overwritten", file: traffic, was: "err = router.Set(ctx, in.SetTrafficWeightIn)", is: "in.TakeBack = true\n\terr = router.Set(ctx, in.SetTrafficWeightIn)"},
		{promise: "I14", name: "an edit in the middle of a hold goes unnoticed", file: "activities/edit.go", was: "if o.Keeper == nil || in == nil {", is: "if o.Keeper == nil || in == nil || in.Weight >= 0 {", by: flows + "TestAnEditIsNoticedInTheMiddleOfAHold"},

		{promise: "I19", name: "the intakes of two services are one", file: "workflows/intake.go", was: "strings.LastIndex(release, \"-\")+1:]", is: "strings.Index(release, \"-\")+1:]", by: flows + "TestTheIDOfAnIntakeIsTheEndOfTheReleases"},
		{promise: "I19", name: "a lane forgets what an event has brought", file: "workflows/lanecommand.go", was: "if i < 0 || s.Event.IsZero() {", is: "if i < 0 || !s.Event.IsZero() {", by: flows + "TestDuplicatesOfAnEventStartOneReleaseHoweverLateTheyCome"},
		{promise: "I19", name: "a lane takes what runs already once more", file: "workflows/decide/lane.go", was: "if same := q.find(j); same != nil {", is: "if same := q.find(j); same != nil && j.ID == \"\" {", by: "./workflows/decide Test"},
		{promise: "I19", name: "a command counts as often as it comes", file: command, was: "	r.seen[cmd.key()] = true\n", is: "", by: flows + "TestOneClickThatArrivesFiftyTimesCountsOnce"},
	}
}

// returns are those of the way back: I6 and I16.
func returns() []mutant {
	const flows = "./workflows "
	return []mutant{
		{promise: "I6", name: "an abort lets requests finish before it sends anybody back", file: back, was: "	r.stepBack(ctx)\n", is: "	_ = r.drain(ctx)\n	r.stepBack(ctx)\n"},
		{promise: "I6", name: "an abort waits for pods", file: back, was: "	r.stepBack(ctx)\n", is: "	_ = r.ready(ctx, r.tracks.Stable, 1)\n	r.stepBack(ctx)\n"},
		{promise: "I6", name: "an undo lets attempts end before it sends anybody back", file: back, was: "left := r.undo.run(ctx)", is: "_ = r.landed(ctx)\n	left := r.undo.run(ctx)"},

		{promise: "I16", name: "a rollback asks Prometheus", file: "workflows/rollback.go", was: "r.limits.Source, r.restore = plan.Source{}, true", is: "r.restore = true"},
		{promise: "I16", name: "an undo of a rollout asks Prometheus", file: "workflows/rolloutundo.go", was: "	r.limits.Source = plan.Source{}\n", is: ""},
		{
			promise: "I16", name: "a freeze holds a rollback", file: "workflows/hold.go",
			was: "if r.status.Strategy == StrategyRollback || r.status.Strategy == StrategyRolloutUndo {", is: "if r.status.Strategy == StrategyRolloutUndo {",
			by: flows + "TestNothingHoldsARollback",
		},
	}
}

// accounts are those of what is written down, and of what must not be: I15 and I18.
func accounts() []mutant {
	const recorded = "./activities TestTheRecordOfAWatchIsJudgedAgainToTheSameVerdict"
	return []mutant{
		{promise: "I15", name: "a verdict is not recorded", file: analysis, was: "	record.add(ctx, now, judge.Entry{Verdict: &v})\n", is: "", by: recorded},
		{promise: "I15", name: "what was seen is not recorded", file: analysis, was: "record.add(ctx, a.Clock.Now(), w.line(&p, t))", is: "_ = w.line(&p, t)", by: recorded},
		{promise: "I15", name: "what a rule saw is not recorded", file: analysis, was: "record.add(ctx, a.Clock.Now(), judge.Entry{Rules: &said})", is: "_ = judge.Entry{Rules: &said}", by: "./activities TestARuleOfThePlanDecidesAndItsRecordSaysWhatItSaw"},
		{promise: "I15", name: "what a watch began with is not recorded", file: "activities/record.go", was: "entries = []judge.Entry{{Release: a.release, At: now, Watch: a.began}, e}", is: "entries = []judge.Entry{e}", by: recorded},

		{promise: "I18", name: "the address of a gate is told with what is secret in it", file: "workflows/plan/types.go", was: "address, _, _ := strings.Cut(c.URL, \"?\")\n\treturn address", is: "return strings.TrimSpace(c.URL)", by: "./workflows TestAnotherSystemOpensAGateInThePlaceOfPeople"},
		{promise: "I18", name: "the fault of a gate is told with what is secret in it", file: "activities/confirm.go", was: "err = u.Err // the whole address may hold what is secret", is: "err = u", by: "./activities TestAnotherSystemIsAskedUntilItSaysYes"},
		{promise: "I18", name: "errors of a sender hold its secrets", file: "activities/notify/outbound/sender.go", was: "s.hide = append(s.hide, secret.Reveal())", is: "_ = secret.Reveal()", by: "./activities/notify/outbound Test"},
	}
}
