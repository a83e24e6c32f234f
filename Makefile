# Every target works from a fresh clone with Python 3.11, make and the package registries.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
# The order of the tests, so that a failure can be repeated; any other number is another order.
SEED ?= 352476525
VENV := .venv
BIN := $(VENV)/bin
export DAGSTER_DISABLE_TELEMETRY := 1
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export GX_ANALYTICS_ENABLED := false
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test bench fuzz crash readers live ui dashboard docs superset superset-check lint audit format lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/product.stamp ## run the nightly job in the sample world and print what was published
	@$(BIN)/smallcaps run --world sample

live: $(VENV)/product.stamp ## run the nightly job in the live world (state in warehouse/live unless SMALLCAPS_WAREHOUSE is set)
	@SMALLCAPS_WAREHOUSE="$${SMALLCAPS_WAREHOUSE:-warehouse/live}" $(BIN)/smallcaps run --world live

ui: $(VENV)/product.stamp ## start the Dagster UI and daemon on loopback
	@$(BIN)/smallcaps ui

dashboard: $(VENV)/product.stamp ## start the dashboard over the published file on loopback
	@$(BIN)/smallcaps dashboard

test: $(VENV)/development.stamp $(VENV)-node/stamp ## run all tests
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --randomly-seed=$(SEED)

bench: $(VENV)/development.stamp ## compare speed, growth and memory on a generated panel; writes bench/results.md (20 minutes)
	@$(BIN)/python -m bench $(PARTS)

fuzz: $(VENV)/development.stamp ## break a million payloads and see that only typed errors come out (20 to 60 minutes)
	@$(BIN)/python -m tests.fuzz.long_pass

crash: $(VENV)/development.stamp ## kill 200 small nights at points spread over them and look whether anything is lost
	@$(BIN)/python -m tests.crash.kills --kills 200

readers: $(VENV)/development.stamp $(VENV)-duckdb2/stamp ## read with 8 processes, half of them of DuckDB 2.0, while 200 versions are published
	@$(BIN)/python -m tests.readers.crowd --publications 200 --other $(VENV)-duckdb2/bin/python

docs: $(VENV)/product.stamp ## write dbt's documentation of models, columns, tests and exposures as one HTML file (after make run)
	@$(BIN)/smallcaps docs

superset: $(VENV)/product.stamp $(VENV)-superset/stamp ## start Apache Superset on loopback with a sample dashboard (needs SUPERSET_ADMIN_PASSWORD)
	@deploy/superset/start.sh

superset-check: $(VENV)/product.stamp $(VENV)-superset/stamp ## set Superset up anew, see that each chart of the sample dashboard has rows, stop it
	@home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && SUPERSET_HOME=$$home SUPERSET_PORT=8089 \
		SUPERSET_ADMIN_PASSWORD=$$(head -c 12 /dev/urandom | base64) deploy/superset/start.sh --once

lint: $(VENV)/development.stamp ## check style, types, SQL and the Dagster definitions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint -q dbt_project/models dbt_project/tests
	@$(BIN)/smallcaps validate

audit: $(VENV)/uv.stamp ## ask the live list of advisories about every locked package (needs the internet)
	@$(BIN)/uv tool run --quiet pip-audit --requirement requirements/product.txt --disable-pip --require-hashes --strict

format: $(VENV)/development.stamp ## format Python files
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format -q .

lock: $(VENV)/uv.stamp ## write the lock files anew from pyproject.toml
	@$(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
		--custom-compile-command "make lock" pyproject.toml -o requirements/product.txt
	@$(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
		--custom-compile-command "make lock" --extra dev pyproject.toml -o requirements/development.txt
	@echo 'duckdb>=2.0,<2.1' | $(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" - -o requirements/duckdb2.txt
	@$(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
		--custom-compile-command "make lock" requirements/superset.in -o requirements/superset.txt

clean: ## remove the environment and all state of the default warehouse
	rm -rf $(VENV) $(VENV)-duckdb2 $(VENV)-node $(VENV)-superset dbt_project/target dbt_project/logs logs warehouse/landing warehouse/build warehouse/published warehouse/live
	find warehouse/dagster_home -mindepth 1 ! -name dagster.yaml -delete

# --- the environment: uv from the lock file, plain pip where uv cannot be had ----------------
$(VENV)/uv.stamp:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: Python 3.11 is needed (or set PYTHON=...)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

# One environment: installing the development set satisfies the product too.
$(VENV)/product.stamp: requirements/product.txt pyproject.toml $(VENV)/uv.stamp
	@test -e $(VENV)/development.stamp && test $(VENV)/development.stamp -nt requirements/development.txt \
		|| $(BIN)/uv pip install -q --python $(BIN)/python --require-hashes --compile-bytecode -r requirements/product.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

# DuckDB 2.0 as readers may have it; the pipeline itself stays on the version of the lock file.
$(VENV)-duckdb2/stamp: requirements/duckdb2.txt $(VENV)/uv.stamp
	@test -x $(VENV)-duckdb2/bin/python || $(PYTHON) -m venv $(VENV)-duckdb2
	@$(BIN)/uv pip install -q --python $(VENV)-duckdb2/bin/python --require-hashes -r requirements/duckdb2.txt
	@touch $@

$(VENV)-superset/stamp: requirements/superset.txt $(VENV)/uv.stamp
	@test -x $(VENV)-superset/bin/python || $(PYTHON) -m venv $(VENV)-superset
	@$(BIN)/uv pip sync -q --python $(VENV)-superset/bin/python --require-hashes requirements/superset.txt
	@touch $@

# The Node client that a test reads with; where there is no npm, that test says so and is skipped.
$(VENV)-node/stamp: tests/clients/node/package-lock.json
	@mkdir -p $(VENV)-node && cp tests/clients/node/* $(VENV)-node/
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund --prefix $(VENV)-node; fi
	@touch $@

$(VENV)/development.stamp: requirements/development.txt pyproject.toml $(VENV)/uv.stamp
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes --compile-bytecode -r requirements/development.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@
