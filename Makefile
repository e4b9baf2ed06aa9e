# Everything needed is set up on demand: Python 3.11+, git and make are enough.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install run test test-slow lint format types check lock clean

help:  ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m "not slow and not postgres and not browser" --cov --cov-fail-under=90

test-slow: install  ## Simulation studies, serving, notebooks, PostgreSQL, the report in a browser
	$(BIN)/python -m pytest -m "slow or postgres or browser"

lint: install  ## Style and likely faults
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install  ## Lay out the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install  ## Strict type check
	$(BIN)/mypy

check: lint types test  ## What a change must pass

lock: install  ## Pin the newest dependencies that fit together, for every supported Python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header --custom-compile-command "make lock" -o requirements.lock

clean:  ## Remove what runs and tools leave behind (not .venv)
	rm -rf outputs .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage mlruns/mlflow.db mlruns/artifacts models/champion
