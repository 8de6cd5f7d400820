SHELL := bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help environment up down test shuffle check fmt bench docs lock

BIN := .venv/bin
BENCHES = believed codec defence_time detection_quality exploit_naming flow_speed hit_rate http_lure kill novelty scan_quality takeover

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' Makefile | expand -t 8

environment:
	@tools/environment

up: environment ## start everything on this host; ARM=1 enforces decisions, otherwise they are only shown
	@tools/packages up
	$(BIN)/propolis up --detach $(if $(filter 1,$(ARM)),--arm)

down: environment ## stop it
	$(BIN)/propolis down

test: environment ## every test; as root with the programs they talk to, otherwise what is skipped is listed
	@tools/packages test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup -p no:randomly $(ARGS)

shuffle: environment ## every test, in an order drawn anew
	@tools/packages test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup $(ARGS)

check: environment ## style, types, imports, dependencies, spelling, and the rules of the tree
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/typos
	$(BIN)/python -m pytest -q tests/tree

fmt: environment ## put the code in form
	$(BIN)/ruff check --fix --exit-zero --quiet
	$(BIN)/ruff format

bench: environment ## every benchmark in turn; each prints one JSON object as its last line
	@tools/packages bench
	for bench in $(BENCHES); do echo "== $$bench"; $(BIN)/python -m bench.$$bench; done

docs: environment ## write docs/reference/ anew from the code
	$(BIN)/python tools/docs.py

lock: environment ## pin every package anew
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--python-version 3.11 --extra dev pyproject.toml -o constraints.txt
