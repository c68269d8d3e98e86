# Everything here works from a clean clone with Python 3.11 or later and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PORT ?= 9092
DATA ?= .data

.PHONY: serve test check format bench-start clean help

help:            ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

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

bench-start: $(VENV)/.dev  ## print start time and memory
	$(BIN)/python compat/bench/start.py

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
