# `make run` is all a newcomer needs; every target sets up its environment by itself.
PYTHON ?= python3
# Spark has an environment of its own, so that nobody else needs it.
VENV := .venv$(if $(filter spark,$(LAION_ENGINE)),-spark)
BIN := $(VENV)/bin

.PHONY: run ui explore status test test-all test-spark lint format bench soak docs pictures clean help

run: $(VENV)/.ready  ## materialize everything
	@$(BIN)/python -m assets

ui: $(VENV)/.ready  ## Dagster on http://127.0.0.1:3000, or another LAION_PORT
	@$(BIN)/python -m assets ui

explore: $(VENV)/.ready  ## a page to search the pairs with, on http://127.0.0.1:3001
	@$(BIN)/laion-pipeline explore

status: $(VENV)/.ready  ## what is loaded, what is new, what checks found
	@$(BIN)/python -m assets status

test: $(VENV)/.ready  ## the quick tests, of single parts
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist loadscope

test-all: $(VENV)/.ready  ## all tests, also those that run the whole graph and the programs
	$(BIN)/python -m pytest --numprocesses auto --dist loadscope --no-loadscope-reorder

test-spark: .venv-spark/.ready  ## the same on Apache Spark as on DuckDB; needs Java 17
	.venv-spark/bin/python -m pytest tests/spark

lint: $(VENV)/.ready  ## format, rules, types, import directions, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/audit.py

format: $(VENV)/.ready  ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.ready  ## time the whole pipeline against the same work by hand
	$(BIN)/python -m bench.full

soak: $(VENV)/.ready  ## end 200 runs at random and see that the next one mends all; takes hours
	$(BIN)/python -m tests.end_to_end.soak

docs: $(VENV)/.ready  ## write the page on the contract again
	$(BIN)/python -m laion_pipeline.contract.page > docs/contract.md

pictures: $(VENV)/.ready  ## make the README's pictures again; needs Debian's chromium
	$(BIN)/python -m docs.pictures

help:  ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

clean:  ## remove the environment and the caches, never the data
	rm -rf .venv .venv-spark .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.venv/.ready: EXTRAS := dev
.venv-spark/.ready: EXTRAS := dev,spark
.venv/.ready .venv-spark/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "laion-pipeline needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ..." >&2; exit 2; }
	@echo "Setting up $(@D) (once, a minute or two) ..."
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --config-settings editable_mode=compat --editable '.[$(EXTRAS)]'
	@touch $@
