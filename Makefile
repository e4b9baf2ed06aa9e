# Everything needed is set up on demand: Python 3.11+, git and make are enough.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install run test test-slow test-lowest lint format types audit check bench lock clean

help:  ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-11s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.installed  ## Create .venv with the pinned dependencies and cvm itself

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("cvm needs Python 3.11 or newer; run: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: install  ## The whole loop on the data of params.yaml (CDNOW)
	$(BIN)/cvm run

test: install  ## Fast tests with branch coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow and not postgres and not browser and not spark" --cov --cov-fail-under=90

test-slow: install .venv/.spark  ## Simulation studies, serving, notebooks, PostgreSQL, Spark, the report in a browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile -m "slow or postgres or browser or spark"

# Half a gigabyte that nothing else needs.
.venv/.spark: requirements-spark.lock .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-spark.lock
	@touch $@

test-lowest: .venv-lowest/.installed  ## Part of the fast tests, and a run on CDNOW, on the lowest supported versions (Python 3.11)
	OMP_NUM_THREADS=1 $(LOWEST) -n auto -m "not slow and not postgres and not browser and not spark" $(BREAKS_FIRST)
	OMP_NUM_THREADS=1 $(LOWEST) tests/test_pipeline.py::test_a_run_closes_with_tables_a_person_can_read

LOWEST := .venv-lowest/bin/python -m pytest -W default --disable-warnings
# What a version that is too old breaks first: queries, properties, bundles, the store, the command line.
BREAKS_FIRST := tests/tracking/test_store.py tests/properties tests/engines tests/models/test_bundle.py tests/test_cli.py tests/doctor

# Of the lock only what cvm and these tests need; compiling all of it would take longer than what is run.
LOWEST_PIP := .venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint requirements-lowest.lock

.venv-lowest/.installed: requirements-lowest.lock pyproject.toml
	@command -v python3.11 >/dev/null || { echo "python3.11 is not there: the lowest versions need it. Install Python 3.11, with its venv." >&2; exit 1; }
	python3.11 -m venv .venv-lowest
	$(LOWEST_PIP) editables hatchling hypothesis pytest pytest-xdist
	$(LOWEST_PIP) --no-build-isolation --editable .
	@touch $@

lint: install  ## Style and likely faults
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install  ## Lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install  ## Strict type check
	$(BIN)/mypy

audit: install  ## Known security faults of the pinned packages; skipped without a network
	@$(BIN)/python .ci/audit.py

check: lint types test audit  ## What a change must pass

.PHONY: docs lock-docs
docs: install .venv/.docs  ## The documentation as a site, into build/docs; a warning stops it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

.venv/.docs: requirements-docs.lock .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.lock
	@touch $@

lock-docs: install  ## Pin what the site needs beside requirements.lock
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra docs --universal --python-version 3.11 --upgrade --constraint requirements.lock \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet \
		| grep -vxFf requirements.lock > requirements-docs.lock

bench: .venv-bench/.installed  ## Speed beside peers, into benchmarks/speed.md: two hours; goes on where it was stopped
	.venv-bench/bin/python benchmarks/speed.py

# The peers need other versions than the lock.
.venv-bench/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

lock: install  ## Pin the newest dependencies that fit together, for every supported Python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header --custom-compile-command "make lock" -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --resolution lowest-direct --python-version 3.11 \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header --custom-compile-command "make lock" -o requirements-lowest.lock
	$(MAKE) lock-docs

clean:  ## Remove what runs and tools leave behind (not .venv, .venv-bench, .venv-lowest)
	rm -rf build outputs .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage benchmarks/.speed mlruns/mlflow.db mlruns/artifacts models/champion models/challenger models/retired models/decisions.parquet
