# SPDX-License-Identifier: Apache-2.0

export GOTOOLCHAIN ?= local
export GOWORK = off

# Modules of this repository's own code; the others only pin a server.
MODULES = . testsuite/sandbox testsuite/sandbox/kube testsuite/sandbox/temporal

.PHONY: lint
lint: bin/golangci-lint
	set -e; for module in $(MODULES); do (cd $$module && $(CURDIR)/bin/golangci-lint run --config $(CURDIR)/.golangci.yml ./...); done
	bin/workflowcheck ./workflows/...

# Building the linters takes some minutes, once per version.
bin/golangci-lint: testsuite/lint/go.mod testsuite/lint/go.sum
	cd testsuite/lint && CGO_ENABLED=0 go build -trimpath -o $(CURDIR)/bin/ tool
	touch $@
