PY ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow bench docs lint types rules coverage clean

$(VENV)/.installed: pyproject.toml
	$(PY) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	touch $@

$(VENV)/.quality: $(VENV)/.installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test,quality,docs]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/python -m similitude.cli demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow -rA

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py

lint: $(VENV)/.quality
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.quality
	$(BIN)/basedpyright

rules: $(VENV)/.quality
	$(BIN)/lint-imports

coverage: $(VENV)/.quality
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

docs: $(VENV)/.quality
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site build dist
