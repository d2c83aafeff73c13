# One job a target. `make help` lists them.
SHELL  := /bin/bash
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MONTH  ?=
MODEL  ?= default
EXAMPLES ?= 2000
comma  := ,
monthly = $(if $(MONTH),--month $(MONTH))
consent = $(if $(wildcard data/consents.csv),--consents data/consents.csv)
roster  = $(if $(wildcard data/staff.csv),--staff data/staff.csv)

.DEFAULT_GOAL := help
.PHONY: help install test-tools train-tools run report testimonials correct check test soak fuzz robustness audit lint train card evaluate peers bench spark-cost corpus docs pictures false-alarms clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /|/' | column -t -s '|'

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.test-tools: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test$(if $(CI),$(comma)spark)]'
	@touch $@

$(VENV)/.train-tools: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train]'
	@touch $@

$(VENV)/.audit-tools: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[audit]'
	@touch $@

$(VENV)/.bench-tools: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench,train]'
	@touch $@

install: $(VENV)/.installed  ## the environment alone
test-tools: $(VENV)/.test-tools
train-tools: $(VENV)/.train-tools

run: install  ## data/raw to report and testimonials
	$(BIN)/reviews run data/raw $(monthly) $(consent) $(roster) --model $(MODEL)

report: run  ## the same under the name a manager types: make report MONTH=2026-10

testimonials: install  ## the board of quotes anew from the last run, with the consents now on file
	$(BIN)/reviews testimonials $(monthly) $(consent) $(roster)

correct: install  ## what people corrected in FILE, an edited report.xlsx or a table: make correct FILE=report.xlsx
	@test -n "$(FILE)" || { echo "Name the file: make correct FILE=data/processed/report/report.xlsx"; exit 2; }
	$(BIN)/reviews correct "$(FILE)"

check: install  ## what of the last report is beyond its thresholds, for cron: make check MONTH=2026-10
	@$(BIN)/reviews check $(monthly)

test: $(VENV)/.test-tools lint  ## every check that CI runs
	$(BIN)/python -m pytest -q -n 2

soak: $(VENV)/.test-tools  ## the checks that take long: runs killed at 200 moments, every pattern, the longest texts
	$(BIN)/python -m pytest -q -m slow

fuzz: $(VENV)/.test-tools  ## every reader and annotate on made-up input; EXAMPLES=20000 for longer
	FUZZ=$(EXAMPLES) $(BIN)/python -m pytest -q tests/test_fuzz.py tests/test_read_properties.py

robustness: $(VENV)/.test-tools  ## docs/robustness.md: what is tried, how often, and with what result; an hour or so
	$(BIN)/python tools/robustness.py

audit: $(VENV)/.audit-tools  ## known vulnerabilities of the versions in constraints.txt; needs the network
	$(BIN)/python tools/audit.py

lint: $(VENV)/.test-tools  ## style, and imports that point one way
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

train: $(VENV)/.train-tools  ## data/corpus, and what people corrected, to models/
	$(BIN)/reviews train --model default
	$(BIN)/reviews train --model fast

card: install  ## the model cards anew, after a rule has changed
	$(BIN)/python tools/model_card.py

evaluate: install  ## how well the authors nobody trained on are read; MODEL=fast for the other model
	$(BIN)/python tools/held_out.py $(MODEL)

corpus: install  ## what the corpus holds and how much of it repeats itself
	$(BIN)/python tools/datasheet.py

peers: $(VENV)/.bench-tools  ## accuracy and speed beside VADER, TextBlob and others: docs/peers.md
	$(BIN)/python tools/peers.py

bench: $(VENV)/.bench-tools  ## what a whole run takes, stage by stage: docs/bench.md
	$(BIN)/python tools/bench.py

spark-cost: install  ## what 100 million reviews would cost on Spark, reckoned from what they cost here: docs/spark-cost.md
	$(BIN)/python tools/spark_cost.py

docs: install  ## docs/exports.md, the table of exports
	$(BIN)/python tools/exports_table.py

pictures: $(VENV)/.test-tools  ## the pictures in the README, from the sample data
	$(BIN)/python tools/pictures.py

false-alarms: install  ## how often the report claims a change where there is none; a minute or two
	$(BIN)/python tools/false_alarms.py

clean:  ## everything derived; data/raw and models stay
	rm -rf $(VENV) data/processed/* build *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
