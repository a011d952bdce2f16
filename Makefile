# Two commands are all a newcomer needs: `make run` and `make test`.
.PHONY: run test check fetch bench soak systemd

CARGO ?= cargo
DEMO_ARGS ?=

# A server, eight agents and a shop on this machine; a broken release undoes itself. Ctrl-C stops it.
run: fetch
	@$(CARGO) build --locked --package sleepwell --package shop
	@exec target/debug/sleepwell up --demo $(DEMO_ARGS)

test: fetch
	$(CARGO) test --workspace --locked

# The first build needs the package registry; without it, one line says so.
fetch:
	@$(CARGO) fetch --locked --quiet 2>/dev/null || { \
		echo "The dependencies are not all here and could not be fetched: connect this machine to its package registry and try again."; \
		exit 1; }

# What has to be clean before a change is sent.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	$(CARGO) test --workspace

# Walks on which any part is stopped anywhere, from many seeds; `make test` walks from 200.
SEEDS ?= 10000
soak: fetch
	@$(CARGO) run --release --locked --quiet --package lab -- soak --seed 1 --seeds $(SEEDS)

# Services as units, in a real systemd that is booted for it beside the machine's own init; needs root.
systemd: fetch
	@$(CARGO) build --locked --quiet --package agent --example tiny
	@$(CARGO) test --locked --quiet --package agent --test host \
		--config "target.'cfg(all())'.runner='$(CURDIR)/crates/agent/tests/in-systemd'" -- in_a_real_systemd

# The figures of docs/benchmarks.md, each beside its floor in the same run.
# `make bench BENCH=release` takes one part alone.
bench: fetch
	@$(CARGO) build --release --locked --quiet --package sleepwell
	@$(CARGO) run --release --locked --quiet --package bench -- $(BENCH)
