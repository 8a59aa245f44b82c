# Tasks for developers and CI. Every target runs on a machine with Go and no other setup.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# The linters and generators have a go.mod of their own; the first use of each builds it.
tool := go tool -modfile=tools/go.mod
# withpg runs one command with a temporary Postgres. sqlc parses SQL with C code, natively or as WebAssembly: without
# cgo its build takes two minutes less, and a run two seconds more.
sqlc := go run ./localpg/withpg -- env CGO_ENABLED=0 $(tool) sqlc

# The files that `generate` reads and writes.
generated_from := Makefile core db docs fieldtest go.mod go.sum localpg queries server sqlc.yaml store tools world

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## start Postrider with a local Postgres (or with DATABASE_URL)
	go run .

.PHONY: test
test: ## run all tests
	go test ./...

.PHONY: e2e
e2e: ## run the tests that use containers if available; E2E_BACKEND=docker requires them
	go test ./e2e/... ./ingest/rabbitmq/... -count=1 -timeout 20m

# `make test` does the same for half a minute. SEED=... repeats the same faults.
FAULTS := 10m
SEED := 0
.PHONY: faults
faults: ## break processes, Postgres, networks and receivers under load for FAULTS (10m), and account for every message
	go test ./e2e -run '^TestFaultsLoseNothing$$' -count=1 -v -timeout 0 -faults $(FAULTS) -seed $(SEED)

# `make test` runs the same tests at a small size. The store's tests cover what only the store can simulate.
.PHONY: hostile
hostile: ## test attacks of one customer on another at full size: quotas, large texts and rows, fan-out, lists, tasks, payloads, outages
	go test ./e2e -run 'Neighbour|Backlog|Memory|TooLarge|Abandoned|TakingLong|Viewer|Password|DatabaseReadOnly|Silently|RefusingLogins|Descriptor|Failover' \
		-count=1 -v -timeout 0 -parallel 1 -hostile
	go test ./store -run 'Quota|FIFOEndpoints|OneRow|HostsMinutesApart|LeasesOfASlowClock|NothingCanBeWritten|Share|Crowd|AnyRow' -count=1

# One target at a time, because go test accepts only one. Findings are written to testdata/fuzz, to be committed.
FUZZTIME := 30s
.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME each (30s)
	@grep -o --include='*_test.go' -r '^func Fuzz[A-Za-z]*' app core delivery ingest server | while IFS=: read -r file func; do \
		echo "$${func#func }"; \
		go test "./$$(dirname "$$file")" -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) \
			-fuzzminimizetime 50x -parallel 1; \
	done

.PHONY: bench
bench: ## measure throughput against a bare relay
	go run ./bench

.PHONY: isolation
isolation: ## measure the cost of dead endpoints with long backlogs to healthy ones
	go run ./bench -scenario isolation -rounds 3

.PHONY: neighbours
neighbours: ## measure the cost of one customer's attacks to another
	go run ./bench -scenario neighbours

# Neither sqlc nor a diff notices generated files whose queries were removed, so all of them are deleted first.
.PHONY: generate
generate: ## regenerate db/, the server's types, db/schema.sql and lists in docs/ from queries/, migrations and the OpenAPI contract
	rm -f db/*.sql.go
	$(sqlc) generate
	$(tool) oapi-codegen -config server/oapi-codegen.yaml server/openapi.yaml
	go test ./store -run '^(TestSchemaIsCurrent|TestDBAPageListsTheSchema)$$' -update

.PHONY: check
check: check-format check-modules check-generated check-queries lint check-migrations check-cells check-rules check-previous check-race ## run all checks that a change must pass
	@echo 'check: all passed'

.PHONY: check-format
check-format: ## check that all code, generated code included, is formatted by gofmt
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi

.PHONY: check-modules
check-modules: ## check that both go.mod files list exactly the imported modules
	go mod tidy -diff
	cd tools && go mod tidy -diff

# Generates in a copy, so that it can check uncommitted work and never changes it.
.PHONY: check-generated
check-generated: ## check that generated code is what `make generate` would write
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && \
	cp -R $(generated_from) "$$copy" && \
	$(MAKE) --no-print-directory -C "$$copy" generate && \
	if ! diff -r -u db "$$copy/db" || ! diff -r -u server "$$copy/server" || ! diff -r -u docs "$$copy/docs"; then \
		echo 'generated code is not current: run make generate'; exit 1; \
	fi

.PHONY: check-queries
check-queries: ## check that queries prepare, use indexes and name a tenant, plans match plans/, and lists read little of five million attempts
	$(sqlc) vet
	go test ./store -run '^TestPlans' -timeout 10m
	go test ./store -run '^TestListsReadWhatTheyShow$$' -attempts 5000000 -timeout 10m
	@if grep -n pgtype db/*.go; then echo 'db/ uses a type of the driver: override it in sqlc.yaml'; exit 1; fi

.PHONY: lint
lint: ## run go vet and golangci-lint with .golangci.yml
	go vet ./...
	$(tool) golangci-lint run

# Tests that are part of check-race too. They are named here because a test that is renamed, or skips itself without
# pg_dump, would pass unnoticed. The race detector needs cgo, whatever the rest is compiled with.
define pass
for test in $(1); do \
	output=$$(CGO_ENABLED=1 go test -race ./store -v -run "^$$test$$" 2>&1) || true; \
	echo "$$output"; \
	case "$$output" in *"--- PASS: $$test "*) ;; *) echo "$$test did not pass"; exit 1 ;; esac; \
done
endef

.PHONY: check-migrations
check-migrations: ## check that migrations go up, down and up again with rows present, and that db/schema.sql is their result
	@$(call pass,TestMigrationsGoUpAndDownWithRowsPresent TestSchemaIsCurrent)

.PHONY: check-cells
check-cells: ## check the rules that let a schema move into a Citus cluster; see docs/adr/0021-cells.md
	@$(call pass,TestMigrationsAddConstraintsAlone TestTablesHaveNoTriggers TestQueriesCastVoidFunctions TestMigrationsUseTheSimpleProtocol)

# promtool comes with Prometheus. E2E_PROMETHEUS=required makes its absence an error, here as in the tests.
.PHONY: check-rules
check-rules: ## check and test the alert rules of deploy/observability with promtool
	@if ! command -v promtool >/dev/null; then \
		echo 'promtool is not installed; the alert rules are not tested. Debian and Ubuntu have it in the package prometheus'; \
		[ "$${E2E_PROMETHEUS:-}" != required ]; exit; \
	fi; \
	cd deploy/observability && promtool check config prometheus.yml && promtool check rules alerts.yml && promtool test rules alerts_test.yml

# The previous commit is where this branch left main, or the one before if this is main itself. With uncommitted work on
# main it is main. A checkout without history has none.
.PHONY: check-previous
check-previous: ## check that the binary of the previous commit accepts and delivers messages on the schema of this one
	@head=$$(git rev-parse --verify --quiet HEAD || true); \
	commit=$$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null || echo "$$head"); \
	if [ "$$commit" = "$$head" ] && [ -z "$$(git status --porcelain 2>/dev/null)" ]; then \
		commit=$$(git rev-parse --verify --quiet HEAD~1 || true); \
	fi; \
	if [ -z "$$commit" ]; then echo 'no previous commit in this checkout; its binary is not tested'; exit 0; fi; \
	copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && \
	git archive "$$commit" | tar -x -C "$$copy" && \
	(cd "$$copy" && go build -buildvcs=false -o postrider .) && \
	echo "previous commit: $$commit" && \
	E2E_PREVIOUS="$$copy/postrider" go test ./e2e -run '^TestPreviousBinary' -count=1

# The race detector sees none of the processes that end-to-end tests start, and the generator of the world has one goroutine.
# With -short, other tests leave out what takes minutes in one goroutine.
.PHONY: check-race
check-race: ## test all packages that have goroutines with the race detector
	packages=$$(go list ./... | grep -v -e '/e2e$$' -e '/world$$') && CGO_ENABLED=1 go test -race -short $$packages
