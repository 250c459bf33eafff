# The developer's whole interface. `make run` and `make test` are all a newcomer needs.
.PHONY: setup run test check tidy types faults fault-page simulate bench lock clean
.DEFAULT_GOAL := run

setup:            ## Debian packages (when root), .venv from the hash-locked set, the `lantai` command
	@.ci/setup

run: setup        ## the whole appliance on sample packages, on this machine
	@.venv/bin/lantai demo

test: setup       ## lint, types, tidy and every test this machine can run
	@.ci/test

check: tidy types ## the quick half of `make test`
tidy: setup
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/python -m pytest -q tests/tidy
types: setup
	@.venv/bin/mypy

faults: setup     ## kills and power cuts at every crash point, every system call failing; goes on where it stopped
	@.venv/bin/python tests/faults $(ARGUMENTS)

simulate: setup   ## SEEDS=20000 [FIRST=1] archives under a seeded scheduler; SEED=n tells one; BUG=name finds one
	@.venv/bin/python tests/simulation $(if $(SEED),--seed $(SEED)) $(if $(BUG),--bug $(BUG)) --seeds $(or $(SEEDS),300) --first $(or $(FIRST),1)

fault-page: setup ## every test that shows a fault, and docs/fault-catalogue.md written from them
	@.ci/fault-page

bench: setup      ## figures against peers, in one interleaved run each
	@.venv/bin/python benchmarks/ingest.py && .venv/bin/python benchmarks/sweep.py

lock:             ## renew uv.lock and the exports that plain pip installs with --require-hashes
	@.ci/lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
