# SPDX-License-Identifier: Apache-2.0

# Every target works from a fresh clone: what is missing is downloaded and built. README.md tells more.
export GOTOOLCHAIN ?= local
export GOWORK = off
# Everything is compiled in one way, so that what one target has compiled serves the next one too; the race
# detector alone needs cgo. What is set already stays, wherever it is set.
export GOFLAGS := $(filter-out -trimpath,$(shell go env GOFLAGS)) -trimpath
export CGO_ENABLED = 0

GO_BUILD = go build -ldflags='-s -w'

# Modules of this repository's own code; the others only pin a server.
MODULES = . testsuite/sandbox testsuite/e2e testsuite/s3
# Loading the types of a whole Kubernetes would take the linters longer than everything else together, so
# in these two they look at the text alone.
SERVERS = testsuite/sandbox/kube testsuite/sandbox/temporal

.PHONY: build demo test unit seeds faults matrix-writes mutants fuzz fuzz-short lint e2e bench bench-release bench-storm bench-clicks bench-judge bench-analysis record picture

## build: bin/worker and bin/slipway, and for the sandbox bin/driver, bin/demo and bin/bench
build:
	$(GO_BUILD) -o bin/worker ./worker
	$(GO_BUILD) -o bin/slipway ./starter
	cd testsuite/sandbox && $(GO_BUILD) -o $(CURDIR)/bin/driver ./driver
	cd testsuite/e2e && $(GO_BUILD) -o $(CURDIR)/bin/ ./demo ./bench

## demo: three releases on a real cluster on this machine. HOLD=1 keeps it up; STORIES=all tells longer ones too
demo: build
	bin/demo $(if $(HOLD),-hold) $(if $(STORIES),-stories=$(STORIES))

## test: everything that must be true before a change is merged
test: unit seeds fuzz-short lint e2e

## unit: tests that need nothing but Go
unit: export CGO_ENABLED = 1
unit:
	go test -race ./...
	cd testsuite/sandbox && go test -race ./...
	cd testsuite/sandbox/kube && go test -race ./meter
	cd testsuite/s3 && CGO_ENABLED=0 go test -vet=off ./...

# Each fuzz target as package:name. FUZZ_SLOW, the whole server, has so many packages to prepare that it takes minutes:
# what it reads is read by small packages, whose targets are among the others. Without a bound, making one input of many
# smaller would take the whole time of a short run.
FUZZ = ./starter/server/sender:FuzzVerify ./starter/server/sender:FuzzRead ./starter/server/match:FuzzTrigger \
	./starter/server/access:FuzzVerify ./starter/server/access:FuzzSigned ./starter/server/access:FuzzClaims \
	./starter/server/api/body:FuzzRead \
	./starter/server/slack/payload:FuzzOnlyTheSignedBodyIsBelieved ./starter/server/slack/payload:FuzzAPayloadIsReadOrRefused \
	./starter/server/slack/payload:FuzzACommandIsReadOrRefused \
	./workflows/statement:FuzzVerifyBelievesNothingThatWasNotSigned ./workflows/statement:FuzzKeysAreReadOrRefused \
	./workflows/decide/judge:FuzzState ./workflows/plan/query:FuzzQueriesThatAreAcceptedCanBeAsked \
	./workflows/plan/rule:FuzzConditionsThatAreAcceptedAreAnswered
FUZZ_SLOW = ./starter/server:FuzzStart
FUZZTIME ?= 60s

## fuzz: every fuzz target, a minute each
fuzz:
	set -e; for target in $(FUZZ) $(FUZZ_SLOW); do go test $${target%%:*} -run '^$$' -fuzz "^$${target##*:}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x; done

## fuzz-short: all but that one, ten seconds each
fuzz-short:
	$(MAKE) fuzz FUZZTIME=10s FUZZ_SLOW=

## seeds: releases on fake time in which things go wrong, SEEDS of them from FIRST on; docs/reliability.md tells more
SEEDS ?= 12000
FIRST ?= 1
seeds:
	go test -count=1 -timeout 30m ./testsuite/simulation -v -run TestSeeds -seeds $(SEEDS) -first $(FIRST) -hits $(if $(filter 1,$(FIRST)),20,0)

## faults: thirty thousand of them, and on the sandbox every write with a death around it. SHARD=1/4: a part; CASE=…: some cases
SHARD ?= 1/1
CASE ?=
MATRIX = cd testsuite/e2e && go test -count=1 -timeout 6h ./matrix -v -seats $(SEATS)
SEATS ?= 3
faults: build
	bin/driver build
	mkdir -p .sandbox
ifeq ($(CASE),)
	$(MAKE) seeds SEEDS=$$((30000 / $(notdir $(SHARD)))) FIRST=$$((1 + 30000 / $(notdir $(SHARD)) * ($(patsubst %/,%,$(dir $(SHARD))) - 1)))
	$(MATRIX) -all -shard $(SHARD) -journal $(CURDIR)/.sandbox/faults.journal
else
	$(MATRIX) -case '$(CASE)'
endif

## matrix-writes: the writes that the matrix disturbs, anew, from releases in which nothing goes wrong
matrix-writes: build
	bin/driver build
	$(MATRIX) -learn -case '$(CASE)'

## mutants: builds that break a promise on purpose, and the test that catches each
mutants:
	go run ./testsuite/mutant

## lint: the linters, and that workflow code is deterministic
lint: bin/golangci-lint
	set -e; for module in $(MODULES); do (cd $$module && $(CURDIR)/bin/golangci-lint run --allow-serial-runners --config $(CURDIR)/.golangci.yml ./...); done
	set -e; for module in $(SERVERS); do (cd $$module && $(CURDIR)/bin/golangci-lint run --allow-serial-runners --config $(CURDIR)/.golangci.yml \
		--enable-only=depguard,funlen,godot,misspell ./...); done
	bin/workflowcheck ./workflows/...

# Building the linters takes some minutes, once per version.
bin/golangci-lint: testsuite/lint/go.mod testsuite/lint/go.sum
	cd testsuite/lint && go build -o $(CURDIR)/bin/ tool
	touch $@

## e2e: whole releases on the sandbox, one package after the other: they share two cores
e2e: build
	bin/driver build
	cd testsuite/e2e && go test -p 1 -count=1 -timeout 60m ./...

## bench: the figures that the documentation promises, measured here; fails when one is missed
bench: build
	bin/bench

## bench-release: what users see of every strategy and every way back; up to 50 minutes. WAY=rolling: some ways alone
WAY ?=
bench-release: build
	bin/bench -releases -way '$(WAY)'

## bench-judge: the judge on simulated releases, beside other tools' rules and the limit; up to 45 minutes
bench-judge:
	mkdir -p .sandbox
	go run ./testsuite/judge -out .sandbox/judge-report.json

## bench-analysis: the judge on real requests of real releases; 10 minutes
bench-analysis: build
	bin/bench -analysis

## bench-storm: 10,000 webhooks of one event in a minute, and 50 clicks at once; 3 minutes
bench-storm: build
	bin/bench -storm

## bench-clicks: a hundred approvals in Slack, each to the weight that it lets through; 8 minutes
bench-clicks: build
	bin/bench -clicks

## record: the histories that the replay tests replay, anew, from real releases
record: build
	mkdir -p workflows/testdata
	cd testsuite/e2e && go test -count=1 ./story -run 'GoodRelease|BadRelease|AnAbort|BlueGreen|ByItsSelector|RolledBack|ARolling|ASecondRelease|ASignedWebhook|AnUndoneRelease' -record $(CURDIR)/workflows/testdata

## picture: docs/watch.svg, anew, from a real release, and docs/analysis.svg from a simulated one
picture: build
	go run ./testsuite/judge -picture docs/analysis.svg
	cd testsuite/e2e && go run ./picture -repository $(CURDIR) -dir $(CURDIR)/.sandbox -out $(CURDIR)/docs/watch.svg
