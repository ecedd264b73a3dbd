# Each target installs what it needs.

PY := .venv/bin/python
# Two for each of two cores: many tests wait for servers, timers and a browser.
WORKERS ?= 4
BENCH ?=
# COVERAGE=1 prints how much of the code the tests run.
COVERAGE ?=

.PHONY: help setup environment run demo test bench lint requirements

help:
	@echo "make run           start Almanac on this machine, on an empty one too"
	@echo "make demo          the same against a sandbox GitHub, with data of its own, offline"
	@echo "make test          all tests, the browser ones too (NO_BROWSER=1 leaves those out)"
	@echo "make bench         measure speed and size (BENCH=name for one of them)"
	@echo "make lint          style and types"
	@echo "make setup         only create .venv with all packages"
	@echo "make requirements  update the pinned requirements"

setup:
	@sh .ci/environment requirements-dev.txt

environment:
	@sh .ci/environment requirements.txt

run: environment
	@exec $(PY) -m core up

demo: environment
	@exec $(PY) -m core up --demo

# Without compiled files each worker would compile all tests, and each process that a test starts the whole product.
test: export PYTHONDONTWRITEBYTECODE :=
test: setup
	@CHROMIUM="$$(sh .ci/browser)" || exit 1; export CHROMIUM; exec $(PY) -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder $(if $(COVERAGE),--cov --cov-report=term:skip-covered) $(TESTS)

bench: setup
	@exec $(PY) -m tests.bench $(BENCH)

lint: setup
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

COMPILE = $(PY) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate -q \
	--custom-compile-command "make requirements"

requirements: setup
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt
