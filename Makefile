# Everything here works from a clean clone with Python 3.11 or later and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PORT ?= 9092
DATA ?= .data

.PHONY: serve test check format torture simulate compat compat-all bench bench-start bench-partitions bench-cold-read \
	bench-pauses bench-groups bench-states bench-hot bench-compare clean help

help:            ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 20

serve: $(VENV)/.serve   ## start the broker on 127.0.0.1:9092, data in .data
	@exec $(BIN)/ottla serve --port $(PORT) --data-dir $(DATA)

test: $(VENV)/.dev      ## run the tests
	$(BIN)/python -m pytest

check: $(VENV)/.dev .links/ottla  ## lint, strict types, the walls between the packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev    ## format the code and sort its imports
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

torture: $(VENV)/.dev   ## kill, damage and fill up for an hour what `test` does for a minute
	OTTLA_TORTURE_KILLS=300 OTTLA_FAULT_STRIDE=1 OTTLA_DISK_STRIDE=5 OTTLA_DAMAGE_SEEDS=600 OTTLA_POWER_LOSS_SEEDS=10 \
		$(BIN)/python -m pytest tests/torture tests/storage/test_faults.py tests/storage/test_power_loss.py --timeout 0

simulate: $(VENV)/.dev  ## a thousand simulated lives of each kind
	OTTLA_SEEDS=1000 $(BIN)/python -m pytest tests/simulation --timeout 0

compat: $(VENV)/.dev    ## compare with Apache Kafka, and let clients of other languages try (needs Java for both)
	$(BIN)/python -m pytest compat --report compat/REPORT.md
	$(BIN)/python -m compat.summary

compat-all: $(VENV)/.dev  ## the same with every client program, and far more requests by chance
	OTTLA_COMPAT_SEEDS=1000 OTTLA_COMPAT_CLIENTS=all $(BIN)/python -m pytest compat --timeout 0 --report compat/REPORT.md
	$(BIN)/python -m compat.summary

bench: bench-start bench-partitions bench-cold-read bench-pauses bench-groups bench-states bench-hot bench-compare  ## all of the following

bench-start: $(VENV)/.dev  ## print start time and memory
	$(BIN)/python compat/bench/start.py

bench-partitions: $(VENV)/.dev  ## print what 10,000 partitions cost
	$(BIN)/python compat/bench/partitions.py

bench-cold-read: $(VENV)/.dev  ## print how fast a log of 5 GB is read from its start
	$(BIN)/python compat/bench/cold_read.py

bench-pauses: $(VENV)/.dev  ## print how long the event loop stands still under 1 GB a minute
	$(BIN)/python compat/bench/loop_pauses.py

bench-groups: $(VENV)/.dev  ## print what consumer groups cost
	$(BIN)/python compat/bench/groups.py

bench-states: $(VENV)/.dev  ## print what a thousand fresh brokers in one process cost
	$(BIN)/python compat/bench/fresh_states.py

bench-hot: $(VENV)/.dev  ## print what one call of each hot function costs
	$(BIN)/python -m compat.bench.hot_functions $(ARGS)

bench-compare: $(VENV)/.dev  ## compare with Apache Kafka, and with kfake where KFAKE names its binary; say what holds what is not met
	$(BIN)/python -m compat.bench.compare $(ARGS)

clean:           ## remove the environment and caches, never the data
	rm -rf $(VENV) .links .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ottla needs Python 3.11 or later: make PYTHON=/path/to/python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: $(VENV)/bin/python pyproject.toml .ci/locks/serve.txt
	$(PIP) install --quiet --require-hashes -r .ci/locks/serve.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml .ci/locks/dev.txt
	$(PIP) install --quiet --require-hashes -r .ci/locks/dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.serve

# mypy follows imports through a folder that has the installed layout.
.links/ottla:
	@mkdir -p $@
	@for part in protocol storage broker; do ln -sfn ../../$$part $@/$$part; done
