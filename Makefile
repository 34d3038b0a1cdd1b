# opledger: everything a developer or a first-time user runs. Needs python3 (3.11 or later) and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.synced
OPERATIONS ?= 5000
MINUTES ?= 10
SEED ?= 1
CALLBACKS ?= on
PARALLEL ?= -n 2 --dist loadfile --no-loadscope-reorder
LOCKS := requirements/dev.txt requirements/service.txt requirements/uv.txt

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

$(STAMP): $(LOCKS) pyproject.toml sdk/pyproject.toml
	@$(PYTHON) requirements/bootstrap.py $(VENV)
	@touch $@

demo: $(STAMP) ## Run the main job on embedded parts and show it
	@$(BIN)/opledger demo

up: $(STAMP) ## Serve until Ctrl-C
	@$(BIN)/opledger up

test: $(STAMP) ## Run the tests, on real PostgreSQL and real Temporal; without those of test-slow
	@$(BIN)/pytest -q $(PARALLEL)

test-slow: $(STAMP) ## Run the slow tests, and those that need nginx, pgbouncer, Chromium, Node.js and `make node`
	@$(BIN)/pytest -q $(PARALLEL) -m "slow or tools"

test-all: test test-slow ## Run every test

coverage: $(STAMP) ## Report which lines and branches of the product the tests below end to end reach
	@rm -rf .coverage && mkdir .coverage
	@$(BIN)/coverage run -m pytest -q -n 2 --dist loadfile -m "" --timeout=600 tests/unit tests/contract tests/integration
	@$(BIN)/coverage combine -q && $(BIN)/coverage report

chaos: $(STAMP) ## Faults by a seeded plan, then a verdict: OPERATIONS=5000 MINUTES=10 SEED=1 CALLBACKS=on
	@$(BIN)/python -m tests.chaos --operations $(OPERATIONS) --minutes $(MINUTES) --seed $(SEED) \
		$(if $(filter off,$(CALLBACKS)),--no-callbacks)

seeded-bugs: $(STAMP) ## Plant known bugs in copies of the project; every one must be caught
	@$(BIN)/python -m tests.seeded_bugs

nightly: $(STAMP) ## Let the simulated ledger run for long, and send 50,000 malformed requests
	@$(BIN)/pytest -q --hypothesis-profile=nightly --timeout=0 -m "" tests/simulation
	@$(BIN)/python -m tests.simulation
	@$(BIN)/pytest -q --hypothesis-profile=fuzz --timeout=0 -m "" tests/unit/entrypoints/http/test_fuzz.py

bench: $(STAMP) ## Measure against asking Temporal and other alternatives: one table, and benchmarks/results.json
	@$(BIN)/python -m benchmarks

screenshots: $(STAMP) ## Render each page of the dashboard into docs/images/dashboard, with Chromium
	@$(BIN)/python -m tests.support.ui.screenshots

reference: $(STAMP) ## Write docs/reference.md and docs/commands from the code
	@$(BIN)/python -m docs.generate_reference

recording: $(STAMP) ## Record `opledger wait` and `watch` for docs/command-line.md
	@$(BIN)/python -m docs.record_terminal

lint: $(STAMP) ## Style, types, unused code, architecture
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/vulture
	@$(BIN)/lint-imports

check: lint test ## Lint and test; .ci/run runs test-slow too

node: ## Install the npm packages of the tests that run TypeScript and JavaScript
	@for folder in tests/typescript tests/javascript; do \
		npm install --prefix $$folder --no-package-lock --no-audit --no-fund --ignore-scripts || exit 1; done

format: $(STAMP) ## Rewrite the code to the style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(STAMP) ## Re-resolve requirements/*.txt from requirements/*.in
	@cd requirements && for name in uv service dev; do \
		../$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header --no-annotate $$name.in -o $$name.txt || exit 1; done

clean: ## Remove what the targets above made, data included
	rm -rf $(VENV) .opledger .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage tests/typescript/node_modules tests/javascript/node_modules

.PHONY: help demo up test test-slow test-all coverage chaos seeded-bugs nightly bench screenshots reference recording lint check node format lock clean
