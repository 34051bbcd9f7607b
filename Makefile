# Every command works from a fresh clone; what is missing is downloaded and built. See README.md.
export GOWORK := off
export GOTOOLCHAIN := local
export CGO_ENABLED ?= 0

GO_BUILD := go build -trimpath -ldflags='-s -w'

.PHONY: build demo
build: ## bin/worker, bin/slipway, and bin/driver and bin/demo for the sandbox
	$(GO_BUILD) -o bin/worker ./worker
	$(GO_BUILD) -o bin/slipway ./starter
	cd testsuite/sandbox && $(GO_BUILD) -o ../../bin/driver ./driver
	cd testsuite/e2e && $(GO_BUILD) -o ../../bin/demo ./demo

demo: build ## three releases on a real cluster on this machine; HOLD=1 keeps it up, STORIES=all tells more
	bin/demo $(if $(HOLD),-hold) $(if $(STORIES),-stories=$(STORIES))
