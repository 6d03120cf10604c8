# The project's front door. Every target sets up what it needs on a Debian 12 machine with Rust and root.

CARGO ?= cargo
VM := tools/ipvs-vm
TARGET := $(or $(CARGO_TARGET_DIR),target)

# Where random tests begin: other inputs for each state of the tree, and the same ones each time for one state of it, so
# that what was green stays green and what was red can be run again. `make test SEED=n` chooses.
SEED ?= $(shell printf %d 0x$$(git rev-parse --verify -q --short=12 'HEAD^{tree}' 2>/dev/null | cut -c1-12 | grep . || echo 1))

.PHONY: help setup build demo test test-unit test-fuzz test-lab test-vm fuzz sim docs bench lint clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install the Debian packages that are missing
	@tools/setup

build: ## the daemon, optimised: target/release/vipd
	$(CARGO) build --locked --release -p vipd

demo: setup ## two directors and two web servers, live: what happens when each of them fails
	$(CARGO) build --locked --release -p vipd -p vipd-tests --bins
	$(TARGET)/release/demo --vipd $(TARGET)/release/vipd --vm $(VM)

test: setup lint test-unit test-fuzz test-lab test-vm ## everything; needs root
	@echo "make test: every ring passed"

lint: ## format and lints, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

test-unit: ## rings 1 to 3: golden bytes, tables, properties, simulated clusters, each crate by itself
	@echo "random tests begin at SEED=$(SEED)"
	PROPTEST_RNG_SEED=$(SEED) SIM_SEED=$(SEED) $(CARGO) nextest run --locked --no-fail-fast --workspace --exclude vipd-tests

test-fuzz: setup ## ring 6 in short: 11 seconds of hostile bytes for each parser
	FUZZ_SEED=1 tools/fuzz 11

test-lab: ## ring 4: namespaces, real peers
	$(CARGO) build --locked -p vipd -p vipd-tests --bins
	$(CARGO) nextest run --locked --no-fail-fast -p vipd-tests

test-vm: setup ## ring 5: the real IPVS, in a virtual machine
	$(CARGO) build --locked -p vipd -p vipd-tests --bins
	tools/test-vm

# Seconds a target.
FUZZ_SECONDS ?= 60

fuzz: setup ## hostile bytes for each parser: FUZZ_SECONDS=3600 for hours
	tools/fuzz $(FUZZ_SECONDS)

# Simulated clusters, one hour each, from seed FIRST on; so many at once.
SEEDS ?= 1000
FIRST ?= 1
JOBS ?= 1

sim: ## clusters in virtual time, with faults: SEEDS=20000 for 20,000 hours and more, FIRST=n for other ones, JOBS=n at once
	$(CARGO) build --locked --release -p vipd-sim
	$(TARGET)/release/vipd-sim --seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS)

docs: ## what is made from the keyword table: docs/compatibility.md, packaging/vipd.conf.5, the JSON schema, fuzz/keywords.dict
	UPDATE=1 $(CARGO) test --locked -q -p vipd-config --test generated

bench: setup build ## take-over, CPU, BFD, a thousand routers, memory, reading, reloading against Debian's keepalived, as ratios
	$(CARGO) build --locked --release -p vipd-tests --bins
	$(TARGET)/release/bench --vipd $(TARGET)/release/vipd
	VIPD_BIN=$(abspath $(TARGET)/release/vipd) ROUNDS=1 tools/bench-vm/run.py failover bfd program adverts

clean:
	$(CARGO) clean
