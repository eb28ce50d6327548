# make           lists the targets
# make run       the tracker on a local queue, with example jobs and a live view
# make test      everything, from a fresh clone

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SECONDS ?= 0
PYTEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test cover check fix golden bench mutants clean packages

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

run: $(VENV)/installed ## the tracker on a local queue with example jobs and a live view; SECONDS=60 stops by itself
	@$(BIN)/python examples/demo.py --seconds $(SECONDS)

packages:
	@sh tests/packages.sh

test: $(VENV)/installed packages ## everything: core, shells, on-host tools, documents
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS)

cover: $(VENV)/installed ## the core's tests with branch coverage, 100 % or failure
	$(BIN)/python -m pytest tests/core -n $(PYTEST_WORKERS) --cov=job_tracker.core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

check: $(VENV)/installed ## style, types, layers, shell scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vermin --quiet --no-tips -t=3.6- --violations job_tracker/onhost/*.py
	$(BIN)/yamllint --strict examples .yamllint.yml
	$(BIN)/shellcheck job_tracker/onhost/*.sh tests/*.sh .ci/run

fix: $(VENV)/installed ## format, and mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

golden: $(VENV)/installed ## rewrite the golden files; read the difference before you commit it
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) -k golden

bench: $(VENV)/installed ## measure, each figure beside its target
	$(BIN)/python bench/bench.py

mutants: $(VENV)/installed ## mutation testing of the core; takes an hour
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,mutants]'
	sh tests/mutants.sh

clean: ## remove what was made here
	rm -rf $(VENV) var build *.egg-info .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
