# What a developer does with Gildway. `make help` lists it.
SHELL := /bin/bash
export CGO_ENABLED ?= 0

GO      ?= go
BIN     := bin/gildway
GOFILES := $(shell git ls-files '*.go' ':!*.gen.go')

# Counts the packages that `go build -v` names, and lets everything else through.
define COUNT
/^[A-Za-z0-9_.~\/-]+$$/ { if (++n % 50 == 0) { print "  " n " packages compiled"; fflush() } next }
{ print; fflush() }
endef
export COUNT

.PHONY: help build demo dev test frontend bench load waiting faults fuzz lint generate

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the binary, in bin/
	@echo "building $(BIN)"
	@set -o pipefail; $(GO) build -v -buildvcs=false -o $(BIN) ./cmd/gildway 2>&1 | awk "$$COUNT"

demo: build ## the golden paths from request to result on a fresh local stack, checked from outside
	@$(BIN) demo

dev: build ## the local stack, in the foreground, until Ctrl-C
	@$(BIN) dev

test: build ## unit, integration (real Temporal, Vault, Postgres) and end-to-end tests
	@$(BIN) dev prepare
	@command -v npm >/dev/null || { echo "installing Node, for the tests with Backstage's own client"; apt-get update -qq && apt-get install -y -qq nodejs npm >/dev/null; }
	@$(GO) test -timeout 20m ./...
	@for target in FuzzParse FuzzEvaluate; do $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime 10s ./internal/expr || exit 1; done

frontend: build ## Backstage's own frontend in Chromium against the local stack; screenshots in bin/frontend
	@$(BIN) dev prepare
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-liberation; }
	@$(GO) test -count=1 -timeout 20m -tags frontend -run '^TestFrontend_' -v ./cmd/gildway

waiting: build ## 10,000 runs wait for people over a restart, and all complete; tells what the worker takes meanwhile
	@$(BIN) dev prepare
	@GILDWAY_WAITING=$${GILDWAY_WAITING:-10000} $(GO) test -count=1 -timeout 90m -run '^TestWaiting_' -v ./cmd/gildway

faults: build ## every way to go wrong at every call of a provider, in every golden path: complete, or undone
	@$(BIN) dev prepare
	@GILDWAY_FAULTS=all $(GO) test -count=1 -timeout 30m -run '^TestFaults_' -v ./cmd/gildway

fuzz: ## a million generated templates, answered here and by Backstage's own engine (GILDWAY_FUZZ_SEED, GILDWAY_FUZZ_CASES)
	@GILDWAY_FUZZ_SEED=$${GILDWAY_FUZZ_SEED:-$$RANDOM$$RANDOM} GILDWAY_FUZZ_CASES=$${GILDWAY_FUZZ_CASES:-1000000} $(GO) test -count=1 -timeout 0 -v -run '^TestDifferential_' ./internal/expr

bench: build ## the benchmark suite, as one table of ratios
	@$(BIN) dev prepare
	@$(GO) run -buildvcs=false ./internal/bench

load: build ## 2,000 open event streams and 200 runs on one replica: fails if an event is lost or repeated
	@$(BIN) dev prepare
	@$(GO) run -buildvcs=false ./internal/bench streams

lint: ## gofmt, go vet, staticcheck, workflowcheck, the table of rooms, the golden paths
	@unformatted=$$(gofmt -l $(GOFILES)); if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	@echo "go vet";        $(GO) vet ./...
	@echo "staticcheck";   $(GO) tool staticcheck ./...
	@echo "workflowcheck"; $(GO) tool workflowcheck ./workflows/...
	@echo "depguard";      $(GO) tool depguard ./...
	@echo "templates";     $(GO) run -buildvcs=false ./cmd/gildway template lint --strict templates/golden
	@echo "template tests"; $(GO) run -buildvcs=false ./cmd/gildway template test templates/golden

generate: ## the API from its OpenAPI document
	@$(GO) generate ./...
