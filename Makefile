# Everything runs in .venv, which is made anew when PYTHON is another version than the one that is in there.
PYTHON ?= python3
PYTEST_ARGS ?=
# Processes that run the tests. TensorFlow takes 1 GB in each.
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
READY := $(VENV)/.python-$(VERSION)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# The tests of a file share their fixtures, and so one process. Threads of several processes would wait for each other.
PARALLEL := -n $(WORKERS) --dist loadfile
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1

export MPLBACKEND ?= agg

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test quick lint format types docs tutorials clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

demo: $(READY)-runtime ## embed a small data set and draw it into demo/
	$(BIN)/scivis demo --out demo --force

test: $(READY)-test ## run the tests and the docstring examples
	$(ONE_THREAD) $(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

quick: $(READY)-test ## run the tests that are not marked slow
	$(ONE_THREAD) $(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(PYTEST_ARGS)

lint: $(READY)-lint ## check style, format and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

format: $(READY)-lint ## repair style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Types and pages are also those of the optional packages that the tests install.
types: $(READY)-lint $(READY)-test ## check the types
	$(BIN)/mypy

docs: $(READY)-doc $(READY)-test ## build the documentation into docs/_build/html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs docs/_build/html

# The notebook beside scvi-tools needs an environment with scvi-tools.
tutorials: $(READY)-doc ## run the notebooks, changing nothing
	for notebook in $(filter-out tutorials/beside-scvi.ipynb, $(wildcard tutorials/*.ipynb)); do $(BIN)/jupyter execute $$notebook || exit 1; done

clean: ## remove everything that the others made
	rm -rf $(VENV) build dist demo docs/_build docs/api/generated docs/tutorials/*.ipynb docs/tutorials/figures docs/tutorials/gallery.md
	rm -rf .coverage* coverage.xml .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# One stamp for the environment, and one for each set of packages: `runtime`, or a dependency group of pyproject.toml.
$(READY):
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

$(READY)-%: pyproject.toml | $(READY)
	@echo "installing scivis ($*) into $(VENV); the first time takes a few minutes"
	@$(PIP) install --editable . $(if $(filter-out runtime,$*),--group $*)
	@$(if $(filter test,$*),$(PIP) install --editable '.[annoy]' || echo "Annoy was not built: its copy in openTSNE is tested")
	@touch $@
