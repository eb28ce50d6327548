# make           lists the targets
# make run       the tracker on a local queue, with example jobs and a live view
# make test      everything, from a fresh clone

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SECONDS ?= 0
PYTEST_WORKERS ?= 2
TIMES ?= 30
WHOLE ?= 3
WHEELHOUSE ?= dist/wheelhouse

.DEFAULT_GOAL := help
.PHONY: help run test test-again cover check fix onhost golden bench bench-ssh bench-scale bench-run bench-ship bench-web soak mutants clean packages test-parts test-hosts wheelhouse lock vendor pictures known-hosts

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

$(VENV)/deploy: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,deploy]'
	touch $@

run: $(VENV)/installed ## the tracker on a local queue with example jobs and a live view; SECONDS=60 stops by itself
	@$(BIN)/python examples/demo.py --seconds $(SECONDS)

packages:
	@sh tests/packages.sh

test: $(VENV)/installed packages ## everything: core, the rooms around it, on-host tools, documents
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS)

test-again: $(VENV)/installed packages ## tests with threads, processes and clocks thirty times on a busy machine, all three times; hours
	@TIMES=$(TIMES) WHOLE=$(WHOLE) WORKERS=$(PYTEST_WORKERS) sh tests/again.sh

test-hosts: $(VENV)/deploy ## the deployment, on real hosts from nothing; as root, half an hour on two cores
	@sh tests/packages.sh hosts
	$(BIN)/python -m pytest -m hosts -x -n $(PYTEST_WORKERS) --dist loadfile tests/hosts

test-parts: $(VENV)/installed ## what needs a browser, or servers that other people wrote; some minutes
	@sh tests/packages.sh parts
	$(BIN)/python -m pytest -m parts -n $(PYTEST_WORKERS)

soak: $(VENV)/installed packages ## killed at any boundary, ten times as often as in `make test`; some minutes
	KILLS=200 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) tests/daemon/test_killed.py tests/daemon/test_every_message_counts.py tests/onhost/test_message_queue_soak.py tests/shippers/test_shipping_killed.py tests/shippers/test_lines.py tests/endpoints/test_checkers.py tests/daemon/test_servers_heard.py

wheelhouse: $(VENV)/deploy ## everything a tracker host installs, for hosts that reach no package index
	$(BIN)/python deploy/wheelhouse.py $(WHEELHOUSE)

lock: $(VENV)/deploy ## pin what the tracker runs on, with hashes
	sh deploy/lock.sh $(BIN)/pip-compile

vendor: $(VENV)/installed ## fetch anew what the pages use of other people's work, and check that it is that
	$(BIN)/python deploy/vendor.py

pictures: $(VENV)/installed ## take the pictures of README and docs anew, of the demonstration, with the browser installed here
	$(BIN)/python deploy/pictures.py

known-hosts: ## learn the host keys of the machines that Vagrant made, over Vagrant's own connection
	sh deploy/known-hosts.sh

cover: $(VENV)/installed ## the core's tests with branch coverage, 100 % or failure
	$(BIN)/python -m pytest tests/core -n $(PYTEST_WORKERS) --cov=job_tracker.core --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

check: $(VENV)/deploy ## style, types, layers, shell scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python deploy/onhost.py --check
	$(BIN)/vermin --quiet --no-tips -t=3.6- --violations job_tracker/onhost/*.py job_tracker/onhost/message_queue/*.py
	$(BIN)/yamllint --strict examples .yamllint.yml setup.yml roles
	PATH="$(CURDIR)/$(BIN):$$PATH" ANSIBLE_HOME=$(CURDIR)/$(VENV)/ansible $(BIN)/ansible-lint --offline --strict setup.yml roles
	$(BIN)/shellcheck job_tracker/onhost/*.sh tests/*.sh deploy/*.sh init.d/job_tracker init.d/job_tracker-web .ci/run

fix: $(VENV)/installed ## format, and mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

onhost: $(VENV)/installed ## put message-queue.py together from its chapters
	$(BIN)/python deploy/onhost.py

golden: $(VENV)/installed ## rewrite the golden files; read the difference before you commit it
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) -k golden

bench: $(VENV)/installed ## measure, each figure beside its target
	$(BIN)/python bench/bench.py

bench-ssh: $(VENV)/installed packages ## the same over SSH: fifty real sshd's, side by side with ssh itself
	$(BIN)/python bench/bench_ssh.py

bench-scale: $(VENV)/installed packages ## one tracker with a thousand sources over real sshd's; as root, some minutes
	$(BIN)/python bench/bench_scale.py

bench-run: $(VENV)/installed ## what `message-queue.py run` costs a job: start, throughput of --tail, many at once
	$(BIN)/python bench/bench_run.py

bench-ship: $(VENV)/installed ## what `job_tracker ship` sends a second, and what it needs for that
	$(BIN)/python bench/bench_ship.py

bench-web: $(VENV)/installed ## the pages: how soon a browser hears, how long a page takes, what the process costs
	$(BIN)/python bench/bench_web.py

mutants: $(VENV)/installed ## mutation testing of the core; takes hours
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,mutants]'
	sh tests/mutants.sh

clean: ## remove what was made here
	rm -rf $(VENV) var build *.egg-info .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
