# One line here, the work in scripts/. `make` alone lists what there is.
.DEFAULT_GOAL := help
.PHONY: help demo page build npm install test test-rust test-wasm test-firefox test-npm test-python test-bundlers interleave sanitize fuzz suites crash bench bench-own bench-quick bench-browser instructions campaign simulate exhaust mutants torture power-loss fmt deny clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## A store on disk: filled, broken, verified. Then the page: built and served (PORT=…)
	@scripts/demo

page: ## Build the page: www/dist (node www/serve.mjs serves it)
	@scripts/page

build: ## Build the command: target/release/bitcask
	@scripts/setup rust
	cargo build --release --package bitcask-cli

npm: ## Build and pack the npm package: target/npm/mini-bitcask-*.tgz
	@scripts/package

install: ## Install the command for this user (cargo install)
	@scripts/setup rust
	cargo install --path cli --locked

test: ## Every check and every test (what CI runs)
	@scripts/test rust interleave wasm firefox npm python

test-rust: ## Format, lints, tests, documentation
	@scripts/test rust

interleave: ## Threads in every order and in many orders, by model checkers (RUNS=… times as many)
	@BITCASK_RUNS=$(or $(RUNS),1) scripts/test interleave

test-wasm: ## The browser binding, in headless Chromium
	@scripts/test wasm

test-firefox: ## The browser binding, in headless Firefox
	@scripts/test firefox

test-npm: ## The npm package as it is packed: in Node, Chromium and Firefox
	@scripts/test npm

test-python: ## The independent reader of the format, in Python
	@scripts/test python

test-bundlers: ## The packed package in apps of every bundler (some minutes; `make test` does two of them)
	@scripts/package
	@scripts/setup pages
	@node tests/npm/bundlers/run.mjs

suites: ## Other people's suites everywhere: in Node, and in pages and workers of both browsers (10 minutes)
	@scripts/package
	@scripts/setup pages
	@cd tests/npm && SUITES=everywhere node run.mjs suites

crash: ## Browsers killed in the middle of writes: 50 times Chromium, 20 times Firefox (10 minutes)
	@scripts/package
	@scripts/setup pages
	@cd tests/npm && node e2e/crash.mjs --chromium 50 --firefox 20

bench: ## Benchmarks of the store on real files beside fjall, redb, LMDB, sled, SQLite (and RocksDB), in one run
	@benches/bench

bench-own: ## The same without the others
	@scripts/setup rust
	cargo bench --package bitcask-benches --bench store

bench-quick: ## Single calls of the store, by Divan: a minute
	@scripts/setup rust
	cargo bench --package bitcask-benches --bench quick

instructions: ## Count instructions of the hot paths (callgrind): benches/instructions.md
	@scripts/instructions

bench-browser: ## The npm package beside other libraries, in Chromium and Firefox (BENCH_QUICK=1: a minute each)
	@benches/browser/bench

campaign: ## Lives, power cuts and failing calls, RUNS times as many as in `make test` (RUNS=50)
	@scripts/setup rust
	BITCASK_RUNS=$(or $(RUNS),50) cargo test --package bitcask-tests --test model

simulate: ## Lives of stores with power cuts and failing calls, from seeds, on all cores (LIVES=1000000 FIRST=0, or SEED=…)
	@scripts/setup rust
	cargo run --release --package bitcask-tests --bin simulate

exhaust: ## Every program of STEPS=5 steps, with a power cut at every call (STEPS=6: an hour)
	@scripts/setup rust
	STEPS=$(or $(STEPS),5) cargo run --release --package bitcask-tests --bin exhaust

mutants: ## Takes rules out of the engine, one at a time, and sees that a test notices (ONLY=parts of names)
	@scripts/setup rust
	cargo run --release --package bitcask-tests --bin mutants

torture: ## Kill the released command, fail its system calls, cut the power: MINUTES=5 in all, or CYCLES=500 of each; SEED=n repeats
	@scripts/torture

power-loss: ## The power cuts of `make torture` alone: ext4 and xfs on loop devices, as root (MINUTES=10, or CYCLES=…)
	@scripts/torture power:: gate::

sanitize: ## Mapped files under the address sanitizer, threads under the thread sanitizer
	@scripts/test sanitize

fuzz: ## Hostile bytes under libFuzzer: each target SECONDS=60, or one (TARGET=seal)
	@SECONDS_EACH=$(or $(SECONDS),60) scripts/fuzz $(TARGET)

fmt: ## Format the code
	@scripts/setup rust
	cargo fmt --all

deny: ## Check licences and advisories of dependencies (needs cargo-deny)
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing. Get it with: cargo install cargo-deny --locked" >&2; exit 1; }
	cargo deny --workspace check

clean: ## Remove what was built and the demo store (installed test tools in .tools/ stay)
	cargo clean
	rm -rf demo wasm/pkg wasm/npm/dist wasm/npm/dist-test www/dist
