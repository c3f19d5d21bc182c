# On a fresh machine with Python 3.10 or newer: `make demo` to see it, `make test` to check it.
# Tests of one thing: `.venv/bin/pytest tests/context`; without servers: add `-m "not e2e and not conformance"`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup fmt check test e2e conformance docs demo ci clean

BIN := .venv/bin
MATRIX := 3.10 3.11 3.12 3.13
# Hundreds of interpreters are started here: where none may keep what it compiled, each compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

help: ## show the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 18

setup: .venv/.complete ## make .venv with everything, installing uv by pip when it is missing

.venv/.complete: pyproject.toml uv.lock $(wildcard native/*)
	tools/uv sync --locked --compile-bytecode
	@touch $@

fmt: setup ## format the code, and mend what ruff can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

check: setup ## lint, types, import contracts, documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell
	$(BIN)/python -m tools.reference --check

test: setup backends ## unit, integration and end-to-end tests, on the real servers
	$(BIN)/pytest --cov --numprocesses=3 --inline-snapshot=disable

e2e: setup backends ## the end-to-end tests alone
	$(BIN)/pytest -m e2e

.PHONY: backends
backends: setup
	@nice -n 10 $(BIN)/python -m tools.backends build >/dev/null

conformance: setup ## upstream's own test suites, with ours in the place of what they test (minutes)
	$(BIN)/pytest -m "" tests/conformance

.PHONY: reliability
reliability: setup backends ## every way to end and to fail, on the real servers, into docs/reliability.md (minutes)
	@rm -f build/reliability.json
	$(BIN)/pytest -m "" tests/reliability tests/behaviour/test_fault_ends.py; status=$$?; $(BIN)/python -m tests.reliability.table; exit $$status

.PHONY: soak
soak: setup backends ## an hour of steady load, in which nothing may grow
	RELIABILITY_SOAK_SECONDS=3600 $(BIN)/pytest -m "" tests/reliability/test_soak.py

docs: setup ## write the generated pages of docs/reference
	$(BIN)/python -m tools.reference

demo: setup ## run the example shop under traffic and show one correlated request
	@$(BIN)/otel-distro demo

.PHONY: bench bench-peers
bench: setup ## what telemetry costs per request: bare, hand-rolled, upstream, ddtrace, ours (minutes)
	$(BIN)/python -m bench record

bench-peers: setup ## the same servers under load with all peers: the record of the peers (minutes)
	$(BIN)/python -m bench run --variants all

ci: check configs ## everything that .ci/run checks; the matrix beside the tests, which wait a lot
	@tools/beside "$(MAKE) --no-print-directory matrix" "$(MAKE) --no-print-directory test"

.PHONY: configs
configs: setup backends
	$(BIN)/python -m tools.configs

.PHONY: matrix
matrix: setup
	@tools/matrix $(MATRIX)

clean: ## remove .venv and all caches of the tree (not the servers' build cache)
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -prune -exec rm -rf {} +
