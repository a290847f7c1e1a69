# Rescind. `make` lists the verbs.

CARGO ?= cargo
BINARIES := rescind-adapter rescind-enforcer rescind-standin rescind-stack
BUILD := $(CARGO) build $(addprefix -p ,$(BINARIES))
# One on the PATH is used; else `make audit` installs one for this checkout alone.
DENY := $(or $(shell command -v cargo-deny),target/tools/cargo-deny/bin/cargo-deny)

.DEFAULT_GOAL := help
.PHONY: help build test soak lint fmt run demo bench reset audit

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the programs (release) into target/release
	$(BUILD) --release

test: ## Run all tests, end to end with RabbitMQ and Envoy too; installs what they need
	$(CARGO) build --workspace --bins
	target/debug/rescind-stack provision
	$(CARGO) test --workspace

# Ten million mutations for the decoder, 200 crashes of the ledger, 10 000 schedules of the protocol, and 200 rounds of each fault in place of 20: kills, cuts
# and broker restarts, a list that fails, a full disk, a wrong clock.
soak: ## Run all tests in their long forms, with other seeds each time; takes hours
	$(CARGO) build --workspace --bins
	target/debug/rescind-stack provision
	RESCIND_SOAK=1 RESCIND_XDS_SCHEDULES=10000 PROPTEST_CASES=$(or $(PROPTEST_CASES),10000) $(CARGO) test --workspace --no-fail-fast

lint: ## Check the formatting, and clippy with warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

fmt: ## Format the code
	$(CARGO) fmt --all

run: build ## Start everything on this machine and print a walk-through; Ctrl-C ends it
	target/release/rescind-stack run

demo: build ## Play the walk-through, on a running stack or one of its own
	target/release/rescind-stack demo

bench: ## Run the benchmarks; ONLY="set e2e.idle" some, FULL=1 slow rows too, DOCS=1 into docs/benchmarks.md
	$(CARGO) build -p rescind-bench --bins
	CARGO='$(CARGO)' target/debug/rescind-bench $(if $(FULL),--full) $(if $(DOCS),--docs) $(ONLY)

reset: ## Forget what runs have left in target/run
	$(BUILD) --release --quiet
	target/release/rescind-stack reset

audit: $(DENY) ## Check dependencies: bans, licences, sources
	$(DENY) --workspace check bans licenses sources

target/tools/cargo-deny/bin/cargo-deny:
	$(CARGO) install --locked --root target/tools/cargo-deny cargo-deny
