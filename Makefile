# `make demo` and `make test` each set up what they need. PYTHON chooses the interpreter that the environment is made from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs

.PHONY: demo test test-slow lint format docs setup clean

demo: $(STAMP)  ## the main job on built-in data
	$(BIN)/limbeck run ikd-mmt --arms text-only,image-must,ikd,ikd-without-both,image-wrong

# A process a core, each with one thread: tests are many small things, and threads that wait for one another cost more.
test: $(STAMP)  ## the quick tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist loadfile

test-slow: $(STAMP)  ## every test, also the ones of minutes
	$(BIN)/python -m pytest -m ''

lint: $(STAMP)  ## what CI checks beside the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(DOCS_STAMP)  ## the documentation, into site/; a broken link or reference is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

# Apart from the rest, so that `make demo` and `make test` install no more than they need.
$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $(DOCS_STAMP)

clean:
	rm -rf $(VENV) build dist site
