# Everything that a person or a machine does with this repository starts here. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# A fixed seed for property tests: a red build is red again. Vary it to look for more: make test RAPID_SEED=7
RAPID_SEED ?= 1
export RAPID_SEED
# How long `make fuzz` spends on each fuzz target.
FUZZTIME ?= 10s
# For what part of the MUSTs that have a case a mutant must be caught, in percent: what is reached. It only grows.
MUTANTS_AT_LEAST ?= 100
# How many conversations `make fuzz-check` holds with each side, and of which seed (0 draws one), and for how long at most.
CONVERSATIONS ?= 20000
FUZZ_SEED ?= 1
FUZZ_FOR ?= 20s
# How many times `make tck-check` runs the TCK over the embedded store, each with a seed of its own. For `make certify` it is 30, every other one under load.
TCK_RUNS ?= 3
# Which steps `make certify` runs: all, or those named, to go on where a run ended.
STEPS ?=
# How many nodes `make cassandra` runs: 1 or 3.
NODES ?= 1
# Which stores `make tck-stores` runs the TCK over, and which cases: all, or FOCUS=es,ve,sto.
STORES ?= memory embedded postgres cassandra
FOCUS ?=
export FOCUS
# Which container images `make images` builds: all, or IMAGES="postgres node-function".
IMAGES ?=
# What `make tck-faults` has befall our own parts, with how many disturbances a case, and with which seeds.
ENVIRONMENTS ?= kills lossy-links tiny-passivation
DISTURBANCES ?= 12
SEEDS ?= 1
export DISTURBANCES SEEDS
# What befalls the pair while `make tck-stores` judges it: ENVIRONMENT=kills.
ENVIRONMENT ?=
export ENVIRONMENT
# Arguments of `make matrix`: make matrix MATRIX="--resume"
MATRIX ?=
# Which packages `make unit` tests. Narrow it while you work: make unit PKG=./tck/...
PKG ?= ./...

GOLANGCI_LINT := bin/tools/golangci-lint
BUF := ci/tools/node_modules/.bin/buf

##@ Start here

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z][a-z-]*:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(BUF) $(GOLANGCI_LINT) java-library databases ## Install the pinned tools into this folder; says what the machine lacks
	@ci/setup/check.sh

.PHONY: build
build: ## Build every command into bin/
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -o bin/ $$(go list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' ./... | grep --invert-match /out/)

.PHONY: tck
tck: build ## Judge our own proxy, support library and embedded store; report in out/tck
	bin/cloudstate-tck run --proxy builtin:reference --frontend builtin:go --store embedded --out out/tck

.PHONY: run-cart
run-cart: build ## Run the shopping cart behind the proxy on port 9000; Ctrl-C stops both
	@ci/run-cart.sh

.PHONY: postgres
postgres: databases ## Run a PostgreSQL of your own and print its URL; Ctrl-C removes it
	@go run ./fixtures/servers/cmd/testserver postgres

.PHONY: cassandra
cassandra: databases ## Run a Cassandra of your own and print its address; Ctrl-C removes it. NODES=3 for three
	@go run ./fixtures/servers/cmd/testserver cassandra --nodes $(NODES)

##@ Check

.PHONY: test
test: ## Everything that CI runs: lint, generated code, vet, import rules, the cases against SPEC.md, all tests with the race detector, the TCK on our own parts, under faults and on PostgreSQL, a small matrix, the protocol fuzzer, mutants
	@ci/timed.sh setup $(MAKE) setup
	@ci/timed.sh lint $(MAKE) lint
	@ci/timed.sh check-generated $(MAKE) check-generated
	@ci/timed.sh build $(MAKE) build
	@ci/timed.sh speccheck $(MAKE) speccheck
	@ci/timed.sh unit $(MAKE) unit
	@ci/timed.sh tck-check $(MAKE) tck-check
	@ci/timed.sh tck-faults $(MAKE) tck-faults
	@ci/timed.sh fuzz-check $(MAKE) fuzz-check
	@ci/timed.sh tck-postgres $(MAKE) tck-stores STORES=postgres FOCUS=es,ve,sto
	@ci/timed.sh matrix-check $(MAKE) matrix-check
	@ci/timed.sh mutants $(MAKE) mutants

.PHONY: unit
unit: java-library databases ## go vet and go test -race; PKG=./tck/... narrows it
	go vet $(PKG)
	go test -race -timeout 25m $(PKG)

.PHONY: speccheck
speccheck: build ## Fail when a MUST of SPEC.md has neither a case nor a reason, a case names an unknown id, or an id vanished
	bin/cloudstate-tck list --json | bin/speccheck -cases -

.PHONY: tck-check
tck-check: build ## Run the TCK on our own parts TCK_RUNS (3) times over the embedded store, and once over the memory store; every run must pass; reports in out/tck-check
	@ci/tck-check.sh $(TCK_RUNS)

.PHONY: tck-faults
tck-faults: build ## Run the TCK's storms on our own parts in ENVIRONMENTS (kills, lossy links, tiny passivation), DISTURBANCES (12) a case; reports in out/tck-faults
	@ci/tck-faults.sh $(ENVIRONMENTS)

.PHONY: matrix
matrix: build test-containers ## Judge Go, Java, Node and Python functions behind the proxy on four stores, all in containers; out/matrix/site has the reports. MATRIX=--resume goes on where one ended
	@ci/matrix/all.sh $(MATRIX)

.PHONY: matrix-check
matrix-check: build databases foreign-java foreign-node foreign-python ## Judge a small matrix of programs of this machine, pairwise, without containers; report in out/matrix-check
	@ci/matrix/check.sh

.PHONY: test-containers
test-containers: ## Test how targets run in containers, on a real Docker engine, which is started if none runs
	@ci/docker.sh start
	go test -race -tags docker ./tck/target/container

.PHONY: tck-stores
tck-stores: build databases ## Run the TCK on our own parts over each store, on a real PostgreSQL and Cassandra; reports in out/tck-stores. STORES=postgres FOCUS=sto
	@ci/tck-stores.sh $(STORES)

.PHONY: test-stores
test-stores: databases ## Run the store kit and each store's own tests, on a real PostgreSQL and Cassandra
	go test -race -timeout 40m -p 1 ./reference-proxy/journal/...

.PHONY: certify
certify: ## Everything at full length, for hours; result in ci/certified.md. STEPS="kill fuzz" runs only these
	@ci/certify.sh $(STEPS)

.PHONY: mutants
mutants: databases ## Prove that the TCK bites: each broken program of fixtures/mutants must be caught, and enough MUSTs have one; report in out/mutants
	go run ./tck/selftest/cmd/tck-mutants --at-least $(MUTANTS_AT_LEAST) --out out/mutants

.PHONY: lint
lint: lint-go lint-protocols lint-mutants ## All three

.PHONY: lint-go
lint-go: $(GOLANGCI_LINT) ## golangci-lint; settings and the reason of each exception in .golangci.yml
	$(GOLANGCI_LINT) run $(PKG)

.PHONY: lint-protocols
lint-protocols: $(BUF) ## buf lint, buf format, and buf breaking against the last landed protocols
	$(BUF) lint
	$(BUF) format --diff --exit-code
	@ci/breaking.sh

.PHONY: lint-mutants
lint-mutants: ## The edits of all mutants still fit the source; CI's tests and mutants fail late on one that does not
	go test -run '^TestMutantsApply$$' ./tck/selftest

.PHONY: tck-foreign
tck-foreign: build foreign-java foreign-node foreign-python ## Drive and judge user functions on the published Java, Node and Python libraries; reports in out/tck-foreign
	@ci/tck-foreign.sh

.PHONY: foreign-java
foreign-java: ## Build the user function on the published Java library into out/foreign/java
	@ci/foreign-java.sh

.PHONY: foreign-node
foreign-node: $(BUF) ## Build the user function on the published Node library into out/foreign/node
	@ci/foreign-node.sh

.PHONY: foreign-python
foreign-python: ## Build the user function on the published Python library into out/foreign/python; wants Python 3.9 to 3.12 with pip
	@ci/foreign-python.sh

.PHONY: images
images: databases $(BUF) ## Build the container images cloudstate/NAME:local: proxy, functions, databases. IMAGES="postgres node-function" for some
	@ci/images.sh $(IMAGES)

.PHONY: check-images
check-images: databases $(BUF) ## Build the container images, start each as in production, and see it answer
	@ci/images.sh --check $(IMAGES)

.PHONY: fuzz
fuzz: build ## Run every fuzz target for FUZZTIME (10s) each, and the protocol fuzzer for 100 s with each side, by a new seed
	@ci/fuzz.sh $(FUZZTIME)
	@$(MAKE) fuzz-check CONVERSATIONS=1000000 FUZZ_SEED=0 FUZZ_FOR=100s

.PHONY: fuzz-check
fuzz-check: build ## Fuzz the protocol of our own proxy and library: the saved cases, and CONVERSATIONS (20000) or FUZZ_FOR (20s) with each; failures in out/fuzz
	@ci/fuzz-check.sh $(CONVERSATIONS) --seed $(FUZZ_SEED) --for $(FUZZ_FOR)

.PHONY: bench
bench: build databases ## Measure the proxy against a bare gRPC pass-through, the stores against their databases' bare drivers; report in out/bench. BENCH=--check fails on a missed target
	@bin/bench $(BENCH)

##@ Generated code

.PHONY: generate
generate: $(BUF) ## Generate protocols/gen from the .proto files
	@ci/generate.sh write

.PHONY: check-generated
check-generated: $(BUF) ## Fail when protocols/gen is not what the .proto files generate
	@ci/generate.sh check

##@ The rest

.PHONY: clean
clean: ## Remove what was built and what was reported; installed tools stay
	find bin -mindepth 1 -maxdepth 1 ! -name tools -exec rm -rf {} + 2>/dev/null || true
	rm -rf out

.PHONY: databases
databases:
	@ci/setup/postgres.sh
	@ci/setup/cassandra.sh

.PHONY: java-library
java-library:
	@ci/setup/java-library.sh

$(BUF): ci/tools/package-lock.json ci/tools/package.json
	@ci/setup/check.sh
	@ci/setup/buf.sh
	@touch $@

$(GOLANGCI_LINT): ci/tools/lint/go.mod ci/tools/lint/go.sum
	@ci/setup/golangci-lint.sh
	@touch $@
