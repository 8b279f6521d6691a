# `make help` lists what a person runs. The steps that every change must pass are run, in order, by .ci/run; `make check` is that script.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
BINARY   := bin/changefeed
COMMAND  := ./cmd/changefeed

# The other tools are held in tools.mod. golangci-lint stands outside it because it would bring some two hundred requirements along.
GOLANGCI_VERSION := v2.15.0
GOLANGCI         := bin/golangci-lint-$(GOLANGCI_VERSION)
TOOL             := $(GO) tool -modfile=tools.mod
GOFUMPT          := $(TOOL) gofumpt -extra=group_params,clothe_returns

TEST_TIMEOUT ?= 15m
FUZZTIME     ?= 30s
BENCH        ?= .
COUNT        ?= 10
PKG          ?= ./...
DURATION     ?= 60s
SEED         ?= 0
VERSIONS     ?= 14 17 18
ARGS         ?=
PLATFORMS    ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

# Each line: the folder of a fuzz target and its name.
FUZZ_TARGETS = { grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . || true; } | sed -E 's|/[^/]*:func | |' | sort

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## What a person runs.

.PHONY: build
build: ## compile everything, and the program into bin/changefeed
	$(GO) build ./...
	$(GO) build -o $(BINARY) $(COMMAND)

.PHONY: demo
demo: ## run the demo (ARGS="--changes 20000 --json")
	$(GO) run $(COMMAND) demo $(ARGS)

.PHONY: test
test: ## run the tests; what cannot be found here is skipped
	$(GO) test -timeout $(TEST_TIMEOUT) $(PKG)

.PHONY: race
race: ## run the tests in random order under the race detector
	$(GO) test -race -shuffle=on -timeout $(TEST_TIMEOUT) $(PKG)

.PHONY: chaos
chaos: ## kill everything under load for DURATION (60s) and compare topics with an audit, on both brokers (SEED repeats a run)
	CHANGEFEED_TEST_STRICT=1 $(GO) test -count 1 -timeout 1h -v -run '^TestTopics.*AfterChaos$$' ./integration \
		-chaos.duration $(DURATION) -chaos.seed $(SEED)

.PHONY: versions
versions: ## run the publisher's live tests on the PostgreSQL of each of VERSIONS (14 17 18)
	@$(GO) test -c -o bin/cdc.test ./cdc
	@for version in $(VERSIONS); do \
		echo "== PostgreSQL $$version"; \
		(cd cdc && CHANGEFEED_TEST_POSTGRES=$$version ../bin/cdc.test -test.timeout 5m -test.run '$(VERSION_TESTS)') || exit 1; \
	done

VERSION_TESTS = ^Test(Transcripts|RestartBetweenAdjacentCommits.*|NothingBeyondTheServersOwnFlush.*|LostSessions.*|ServerThatGoesAway.*|SecondPublisher.*|WhatTheServerLacks.*|PartitionsBelong.*)$$

.PHONY: lint
lint: $(GOLANGCI) ## run golangci-lint, layering and formatting included
	$(GOLANGCI) config verify
	$(GOLANGCI) run ./...

.PHONY: fmt
fmt: $(GOLANGCI) ## format the code and order its imports
	$(GOLANGCI) fmt ./...

.PHONY: fuzz-seeds
fuzz-seeds: ## run the seeds and the corpus of every fuzz target
	@targets=$$($(FUZZ_TARGETS)); \
	if [[ -z $$targets ]]; then echo "no fuzz targets"; exit 0; fi; \
	cut -d ' ' -f 1 <<<"$$targets" | sort -u | xargs $(GO) test -run '^Fuzz'

.PHONY: fuzz
fuzz: ## fuzz every target, FUZZTIME each (30s)
	@$(FUZZ_TARGETS) | while read -r dir target; do \
		echo "== $$dir $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$dir" </dev/null || exit 1; \
	done

.PHONY: bench
bench: ## run benchmarks (BENCH, COUNT, PKG) into bench.new.txt; compared with bench.old.txt if that is there
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKG) | tee bench.new.txt
	$(TOOL) benchstat $(wildcard bench.old.txt) bench.new.txt

.PHONY: vuln
vuln: ## look for known vulnerabilities (asks a database on the network)
	$(TOOL) govulncheck ./...

.PHONY: dist
dist: ## build the program for every platform of PLATFORMS into dist/
	@for platform in $(PLATFORMS); do \
		out=dist/changefeed_$${platform%/*}_$${platform#*/}; \
		echo "$$out"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} \
			$(GO) build -buildvcs=auto -trimpath -ldflags '-s -w' -o "$$out" $(COMMAND) || exit 1; \
	done

.PHONY: tools
tools: $(GOLANGCI) ## put the pinned tools into bin/, for editors
	GOBIN='$(CURDIR)/bin' $(GO) install -modfile=tools.mod tool

.PHONY: check
check: ## run exactly what CI runs
	bash .ci/run

.PHONY: clean
clean: ## remove what the targets above have built
	rm -rf bin dist bench.new.txt

## Steps of .ci/run that nobody else needs.

.PHONY: fmt-check
fmt-check:
	@unformatted=$$($(GOFUMPT) -l .); \
	if [[ -n $$unformatted ]]; then printf 'not formatted; run make fmt:\n%s\n' "$$unformatted"; exit 1; fi

.PHONY: vet
vet:
	$(GO) vet ./...

.PHONY: fix-check
fix-check:
	@$(GO) fix -diff ./... || { echo 'older idioms than this Go version knows; run go fix ./...'; exit 1; }

.PHONY: mod-check
mod-check:
	@$(GO) mod tidy -diff || { echo 'go.mod or go.sum is not tidy; run go mod tidy'; exit 1; }
	$(GO) mod verify

.PHONY: bench-once
bench-once:
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout $(TEST_TIMEOUT) ./...

.PHONY: smoke
smoke: build
	$(BINARY) version

$(GOLANGCI):
	GOBIN='$(CURDIR)/bin' $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv bin/golangci-lint $@
