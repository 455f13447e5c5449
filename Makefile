# Every command of the house. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export CGO_ENABLED := 0
export GOFLAGS := -trimpath

.PHONY: help run build check test test-faults test-live bench lint fuzz deps

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: build ## start a seeded server on loopback (signet dev)
	@exec bin/signet dev $(ARGS)

build: ## build bin/signet
	@go build -o bin/signet ./cmd/signet

check: ## fast: build, vet and the tests that start nothing but a database
	@go build ./... && go mod tidy -diff && go vet ./... && go test ./authproof/... ./client/... ./internal/... ./cmd/...

deps: ## install what the tests need (apt, Go modules, npm)
	@scripts/test-deps

test: deps build ## everything: PostgreSQL, SQLite, Redis, real Postfix, faults in short form
	@go vet ./... && go vet -tags alone,bench,live ./test/...
	@go test -count=1 -timeout 20m $$(go list ./... | grep -v /test/login)
	@go test -count=1 -timeout 10m ./test/login
	@go test -count=1 -timeout 5m -tags alone -run TestLoadAloneIsAnsweredRightly ./test/authroute

test-faults: deps build ## the fault programme in its long form
	@SIGNET_FAULTS=long go test -count=1 -timeout 60m -v ./test/faults/...
	@SIGNET_FAULTS=long go test -count=1 -timeout 10m -v -run Large ./test/objects

test-live: ## GitHub and Google themselves, where SIGNET_LIVE_* has credentials; says what is missing
	@go test -count=1 -timeout 5m -v -tags live -run '^TestLive' ./test/login

bench: deps build ## the figures of docs/benchmarks.md, as ratios of one run
	@go test -run '^$$' -bench . -benchtime 2s ./authproof ./internal/policyproto ./internal/authroute ./internal/sigv4
	@go test -count=1 -timeout 30m -v -tags bench -run Bench ./test/bench

lint: ## golangci-lint, govulncheck where an advisory database is at hand
	@go -C tools tool golangci-lint version >/dev/null
	@go tool -modfile=tools/go.mod golangci-lint run ./...
	@if [ -n "$${VULNDB:-}" ]; then go tool -modfile=tools/go.mod govulncheck -db "file://$$VULNDB" ./...; \
	else echo "govulncheck not run: set VULNDB to a directory with an advisory database"; fi

fuzz: ## each fuzz target for FUZZTIME (default 60s)
	@for p in $$(go list ./...); do \
	  targets=$$(go test -list '^Fuzz' $$p | awk '/^Fuzz/'); \
	  for f in $$targets; do \
	    echo "== $$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $${FUZZTIME:-60s} $$p; \
	  done; \
	done
