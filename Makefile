# What is done here by hand or by CI. Every target runs on a machine with Go and nothing set up.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# The linters and generators have a go.mod of their own; the first use of each builds it.
tool := go tool -modfile=tools/go.mod
# A throw-away Postgres for one command. sqlc parses SQL with C, or with the same C as WebAssembly:
# without cgo its build takes two minutes less, and a run two seconds more.
sqlc := go run ./localpg/withpg -- env CGO_ENABLED=0 $(tool) sqlc

# What `generate` reads and writes.
generated_from := Makefile core db go.mod go.sum localpg queries server sqlc.yaml store tools world

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
e2e: ## run the tests that use containers where they can; E2E_BACKEND=docker demands them
	go test ./e2e/... ./ingest/rabbitmq/... -count=1 -timeout 20m

# The tests do the same for half a minute. SEED=... draws the same faults again.
FAULTS := 10m
SEED := 0
.PHONY: faults
faults: ## break processes, Postgres, networks and receivers under load for FAULTS (10m); every message is accounted for
	go test ./e2e -run '^TestFaultsLoseNothing$$' -count=1 -v -timeout 0 -faults $(FAULTS) -seed $(SEED)

# The same tests do it with a few of everything in `make test`. What only the store can be made to do is beside them.
.PHONY: hostile
hostile: ## attack one customer by another at full size: quotas, large texts and rows, fan-out, lists, tasks, payloads, outages
	go test ./e2e -run 'Neighbour|Memory|TooLarge|Abandoned|TakingLong|Viewer|Password|DatabaseReadOnly|Silently|RefusingLogins|Descriptor' \
		-count=1 -v -timeout 0 -parallel 1 -hostile
	go test ./store -run 'Quota|FIFOEndpoints|OneRow|HostsMinutesApart|LeasesOfASlowClock|NothingCanBeWritten|Share|Crowd|AnyRow' -count=1

# A target at a time: go test takes no more. What is found is written to testdata/fuzz, to be committed.
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
isolation: ## measure what dead endpoints with long backlogs cost healthy ones
	go run ./bench -scenario isolation -rounds 3

.PHONY: neighbours
neighbours: ## measure what attacks by one customer cost another
	go run ./bench -scenario neighbours

# Neither sqlc nor a diff notices the file of queries that are gone, so all of them go first.
.PHONY: generate
generate: ## write db/, the server's types and db/schema.sql anew, from queries/, migrations and contract
	rm -f db/*.sql.go
	$(sqlc) generate
	$(tool) oapi-codegen -config server/oapi-codegen.yaml server/openapi.yaml
	go test ./store -run '^TestSchemaIsCurrent$$' -update

.PHONY: check
check: check-format check-modules check-generated check-queries lint check-migrations check-race ## all that a change must pass
	@echo 'check: all passed'

.PHONY: check-format
check-format: ## gofmt, generated code included
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi

.PHONY: check-modules
check-modules: ## both go.mod files hold what is imported, no more and no less
	go mod tidy -diff
	cd tools && go mod tidy -diff

# In a copy, so that it can look at uncommitted work and leaves it alone, whatever happens.
.PHONY: check-generated
check-generated: ## generated code is what `make generate` would write
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && \
	cp -R $(generated_from) "$$copy" && \
	$(MAKE) --no-print-directory -C "$$copy" generate && \
	if ! diff -r -u db "$$copy/db" || ! diff -r -u server "$$copy/server"; then \
		echo 'generated code is not current: run make generate'; exit 1; \
	fi

.PHONY: check-queries
check-queries: ## queries can be prepared, use indexes, name a tenant; plans are those of plans/; lists stay short reads of five million attempts
	$(sqlc) vet
	go test ./store -run '^TestPlans' -timeout 10m
	go test ./store -run '^TestListsReadWhatTheyShow$$' -attempts 5000000 -timeout 10m
	@if grep -n pgtype db/*.go; then echo 'db/ uses a type of the driver: override it in sqlc.yaml'; exit 1; fi

.PHONY: lint
lint: ## go vet, and golangci-lint with .golangci.yml
	go vet ./...
	$(tool) golangci-lint run

# The tests are part of check-race too. They are named here because a test that is renamed, or that
# skips itself for want of pg_dump, passes unnoticed. The race detector needs cgo, whatever the rest is
# compiled with.
.PHONY: check-migrations
check-migrations: ## migrations go up, down and up again with rows present, and db/schema.sql is their result
	@for test in TestMigrationsGoUpAndDownWithRowsPresent TestSchemaIsCurrent; do \
		output=$$(CGO_ENABLED=1 go test -race ./store -v -run "^$$test$$" 2>&1) || true; \
		echo "$$output"; \
		case "$$output" in *"--- PASS: $$test "*) ;; *) echo "$$test did not pass"; exit 1 ;; esac; \
	done

.PHONY: check-race
check-race: ## all packages with the race detector, but for long end-to-end tests, whose processes it does not see
	CGO_ENABLED=1 go test -race -short ./...
