# Two commands matter: `make run` and `make test`. `make help` lists the rest.
PYTHON ?= python3
PY := .venv/bin/python
# Beside the running service's servers, or beside ones started for the command.
WITH := $(PY) -m app.local with --
SIZE ?= large
m ?= change
TO ?= backups/loans-$(shell date -u +%Y%m%dT%H%M%SZ).dump

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help:  ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: .venv/run.stamp  ## Serve on http://127.0.0.1:8000 (PORT=8001 make run), with demo data
	@exec $(PY) -m app.local run

.PHONY: test
test: .venv/test.stamp  ## Lint, types, and all tests on servers of their own
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -n 2 --cov --cov-report=term

.PHONY: lint
lint: .venv/test.stamp  ## Lint and types only
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

.PHONY: format
format: .venv/test.stamp  ## Put the code into the house's format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: shell
shell: .venv/run.stamp  ## A Python shell inside the app
	@exec $(WITH) $(PY) -m flask --app wsgi shell

.PHONY: migrate
migrate: .venv/run.stamp  ## Bring the database to the newest schema
	@exec $(WITH) $(PY) -m alembic upgrade head

.PHONY: makemigrations
makemigrations: .venv/run.stamp  ## Draft a migration from the models: make makemigrations m="what changes"
	@exec $(WITH) sh -c '$(PY) -m alembic upgrade head && exec $(PY) -m alembic revision --autogenerate -m "$$1"' sh "$(m)"

.PHONY: create-admin
create-admin: .venv/run.stamp  ## Create an administrator, asking for e-mail and password
	@exec $(WITH) sh -c '$(PY) -m alembic upgrade head && exec $(PY) -m flask --app wsgi create-admin'

.PHONY: seed
seed: .venv/run.stamp  ## Put the demo data into the database
	@exec $(WITH) sh -c '$(PY) -m alembic upgrade head && exec $(PY) seed.py'

.PHONY: backup
backup: .venv/run.stamp  ## Write the database to a file, the service up or not: make backup TO=loans.dump
	@exec $(WITH) sh -c '$(PY) -m app.local backup "$$1" && echo "$$1"' sh "$(TO)"

.PHONY: restore
restore: .venv/run.stamp  ## Fill an empty database from such a file, and verify the books: make restore FROM=loans.dump
	@test -n "$(FROM)" || { echo "Name the backup: make restore FROM=loans.dump" >&2; exit 1; }
	@exec $(WITH) sh -c '$(PY) -m app.local restore "$$1" && $(PY) -m alembic upgrade head && exec $(PY) -m flask --app wsgi verify-books' sh "$(FROM)"

.PHONY: openapi
openapi: .venv/run.stamp  ## Write openapi.json from the code
	@DATABASE_URL=postgresql:// REDIS_URL=redis:// $(PY) -m flask --app wsgi write-openapi

.PHONY: lock
lock: .venv/tools/bin/python  ## Write down the hashes of what the requirements pin: do so after a change there
	@deploy/lock.sh .venv/tools/bin/uv

.PHONY: audit
audit: .venv/tools/bin/python  ## Look for known vulnerabilities in what is pinned; asks a public service
	@for lock in requirements*.lock; do \
	  .venv/tools/bin/python -m pip_audit --strict --disable-pip --require-hashes -r $$lock || exit 1; \
	done

.PHONY: mutants
mutants: .venv/test.stamp  ## Take each guard away in turn, and see the tests go red
	@exec $(PY) -m tests.mutants

.PHONY: prove
prove: .venv/test.stamp  ## Prove each promise at its full size, and print the table (most of an hour)
	@exec $(PY) -m tests.prove

.PHONY: bench
bench: .venv/test.stamp  ## Measure the service: make bench SIZE=small
	@exec $(PY) -m bench $(SIZE)

.PHONY: up down build logs
up:  ## Start the production-like stack in Docker
	docker compose up --detach --build --wait
down:  ## Stop it; its volumes stay
	docker compose down
build:  ## Build the image
	docker compose build
logs:  ## Follow the stack's logs
	docker compose logs --follow

# A stamp is as new as what is installed, so an up-to-date environment costs nothing.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Making .venv"
	@$(PYTHON) -m venv .venv || \
	  { echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; rm -rf .venv; exit 1; }

.venv/run.stamp: requirements.lock requirements-local.lock | .venv/bin/python
	@echo "Installing the service (once; a minute or so)"
	@$(PY) -m pip install --quiet --require-hashes -r requirements-local.lock
	@touch $@

.venv/test.stamp: requirements-dev.lock .venv/run.stamp
	@echo "Installing the test tools"
	@$(PY) -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

.venv/tools/bin/python: requirements-tools.lock | .venv/bin/python
	@echo "Installing the tools that look after the requirements"
	@$(PY) -m venv .venv/tools
	@$@ -m pip install --quiet --require-hashes -r requirements-tools.lock
	@touch $@
