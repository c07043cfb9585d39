# make help     what there is
# Everything happens in .venv of this folder; nothing else has to be installed but Python 3.11 or newer.

VENV := .venv
BIN := $(VENV)/bin
# A name may be on the PATH and not work (version managers leave such), so each is tried.
PYTHONS := $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14

.PHONY: help bench demo press test lint chaos clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed ## a sample log is counted live, rolled up and asked about; no server, no settings
	@$(BIN)/python examples/demo.py

press: $(VENV)/installed-test ## a site of press releases with httpd, gunicorn and memcached, to look at; Ctrl-C ends it
	@$(BIN)/python examples/press_releases/press_site.py

test: $(VENV)/installed-test lint ## everything: style, types, layers, tests with coverage; CI=true lets no test be skipped
	@sh tests/servers.sh
	$(BIN)/coverage erase
	# What loads an httpd and counts its kills, and what a browser looks at, has the machine to itself; the rest shares it.
	$(BIN)/coverage run -m pytest -q -rs -n auto --ignore=tests/integration/test_acceptance.py --ignore=tests/browser
	$(BIN)/coverage run -m pytest -q -rs tests/integration/test_acceptance.py tests/browser
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --skip-covered --skip-empty

PARTS ?=
bench: $(VENV)/installed-test ## pipelog beside mawk, Polars, GoAccess …; FULL=1 takes an hour, PARTS="rollup pipe"
	@sh tests/servers.sh
	$(BIN)/python tests/benchmarks/run.py $(PARTS) $(if $(FULL),--full --write)

lint: $(VENV)/installed-test ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

SECONDS ?= 600
SEED ?= 1
chaos: $(VENV)/installed-test ## kills and restarts at random under a real httpd, as root: SECONDS=600 SEED=1
	@sh tests/servers.sh
	$(BIN)/python tests/integration/acceptance.py --scenario mixed --seconds $(SECONDS) --seed $(SEED) --vhosts 4

clean: ## what the targets above have made
	rm -rf $(VENV) .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf build dist *.egg-info demo-state tests/browser/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for python in $(PYTHONS); do \
	    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    $$python -m venv $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "$$python makes no virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; \
	done; \
	echo "no Python 3.11 or newer is on the PATH; install one, or say make PYTHON=/path/of/python3" >&2; exit 1

$(VENV)/installed: setup.cfg pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-test: setup.cfg pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ $(VENV)/installed
