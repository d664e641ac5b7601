# Every target works on a fresh clone with nothing but Python >= 3.11. Packages are installed again only when
# pyproject.toml changes. Arguments for pytest: make test PYTEST_ARGS="-n 0 tests/test_nist.py"
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PY ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,$(shell $(p) -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && echo $(p))))
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check --no-input
PYTEST_ARGS ?= -n 2

NAMES ?=

.PHONY: golden demo test test-slow bench docs lint types rules coverage check clean
.DELETE_ON_ERROR:

$(BIN)/python:
	@test -n "$(PY)" || { echo "No Python >= 3.11 found; name one: make PY=/path/to/python3.11"; exit 1; }
	$(PY) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(INSTALL) -e '.[test]'
	@touch $@

$(VENV)/.quality: $(VENV)/.installed
	$(INSTALL) -e '.[test,quality,docs]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/python -m similitude.cli demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow -rA

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py

lint: $(VENV)/.quality
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.quality
	$(BIN)/basedpyright --pythonpath $(BIN)/python

rules: $(VENV)/.quality
	$(BIN)/lint-imports

# the same suite as `make test`, measured: fails below the share of lines that pyproject.toml asks for
coverage: $(VENV)/.installed
	$(MAKE) --no-print-directory test PYTEST_ARGS="$(PYTEST_ARGS) --cov --cov-report=term:skip-covered"

# log files written by the real libraries, each in an environment of its own; the results are kept in tests/golden/logs
golden: | $(BIN)/python
	$(BIN)/python tests/golden/make_all.py $(NAMES)

docs: $(VENV)/.quality
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

check: lint types rules docs coverage

clean:
	rm -rf $(VENV) .golden site build dist docs/laws docs/papers.md docs/api.md .coverage htmlcov
