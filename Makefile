# Every command once. CI and pre-commit only call these.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

SPARK := .spark
# uv writes no address of an index unless it is asked to
PINNED := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: help install demo serve test test-browser test-spark check lint format bench accuracy economy lock clean

help:            ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $(STAMP)

install: $(STAMP) ## make .venv with the gateway command in it

demo: $(STAMP)   ## the whole story on real purchases, over HTTP, in under a minute
	$(BIN)/gateway demo

serve: $(STAMP)  ## leave the demo gateway running
	$(BIN)/gateway demo --serve

test: export PYTHONDONTWRITEBYTECODE := # what pytest rewrites of two hundred files is kept for the next run
test: $(STAMP)   ## everything that must pass before a commit
# where Python is told to write no bytecode, every process that a test starts would compile the gateway for itself
	$(BIN)/python -m compileall -q gateway
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not long and not spark and not browser" --cov --cov-report= tests
	$(BIN)/python -m coverage report --include='gateway/privacy/*,gateway/policy/*,gateway/ledger/*' --fail-under=99 --skip-covered --show-missing

test-browser: $(STAMP) ## the console in a headless Chromium, which has to be there
	$(BIN)/python -m pytest -m browser $$(grep -rl mark.browser tests --include=*.py)

$(SPARK)/.installed: requirements/spark-server.txt
	rm -rf $(SPARK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $(SPARK) -r requirements/spark-server.txt
	touch $@

$(VENV)/.spark: $(STAMP) requirements/spark.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/spark.txt
	touch $@

test-spark: $(VENV)/.spark $(SPARK)/.installed ## the same on a real Spark server, which it installs (600 MB)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "spark and not long" $$(grep -rl mark.spark tests --include=*.py)

check: lint test test-browser ## test, and the long programmes: fuzz, crash, audit
	$(BIN)/python -m pytest -m "long and not spark" tests

lint: $(STAMP)   ## style, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## rewrite to the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## side by side with plain SQL, as ratios
	$(BIN)/python -m bench

accuracy: $(STAMP) ## how far answers lie from plain SQL, beside other systems
	$(BIN)/python -m bench accuracy

economy: $(STAMP) ## how many questions a budget answers, by each thing that saves
	$(BIN)/python -m bench economy

lock:            ## renew the pinned versions and hashes (needs uv)
	$(PINNED) pyproject.toml -o requirements/runtime.txt
	$(PINNED) --group dev pyproject.toml -o requirements/dev.txt
	$(PINNED) --group build -o requirements/build.txt
	$(PINNED) --extra spark -c requirements/dev.txt pyproject.toml -o requirements/spark.txt
	$(PINNED) --no-deps requirements/spark-server.in -o requirements/spark-server.txt

clean:           ## remove what the commands above made
	rm -rf $(VENV) $(SPARK) demo-state .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
