# Each target is the only thing to type on a fresh Debian or Ubuntu with Rust and make: it installs what is
# missing (scripts/need.sh), and says what to do by hand where it cannot.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint docs deb deb-check static image image-check compose-check bench bench-scale \
	bench-micro bench-failover try-monitoring try-kubernetes check-kubernetes mutants simulate components

CARGO ?= cargo
STORY ?=
MAINTAINER ?=
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p;T;q' Cargo.toml)
MUSL = $(shell uname -m)-unknown-linux-musl
ROWS ?=
ROUNDS ?=
HISTORIES ?= 1000000
FIRST ?= 0
# Tests hold thousands of connections open: as many descriptors as the system allows.
MANY_FILES := ulimit -n "$$(ulimit -Hn)" || true

help: ## Says what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 23
	@printf 'make demo STORY=1      Plays one failover by itself, with times, and ends\n'

demo: ## Runs a Redis group with Sentinels and rolecall in front, live
	@scripts/need.sh cc redis-server
	$(CARGO) run --release --locked --quiet -- demo $(if $(filter-out 0 no false,$(STORY)),--story)

lint: components ## Formatting, clippy and documentation, warnings as errors
	@scripts/need.sh cc
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --locked

test: lint ## Lint, every test, and benches that compile
	@scripts/need.sh redis-server redis-sentinel redis-cli promtool ps chromium chromedriver libnss_wrapper.so
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    set -x; $(MANY_FILES); $(CARGO) nextest run --locked && $(CARGO) test --doc --locked; \
	else \
	    set -x; $(MANY_FILES); $(CARGO) test --locked; \
	fi
	$(CARGO) test --benches --no-run --locked

docs: ## Writes anew what is made from the code: the JSON schema, the reference's tables, man pages, completions
	@scripts/need.sh cc
	UPDATE_DOCS=1 $(CARGO) test --locked --test documents -- --test-threads=1 \
	    the_schema_is_the_one each_section_has_its_table every_wrong_example
	UPDATE_DOCS=1 $(CARGO) test --locked --test generated

deb: ## Builds a Debian package (MAINTAINER='Name <address>')
	@scripts/need.sh cc dpkg-deb dpkg-shlibdeps
	@$(CARGO) deb --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deb
	$(CARGO) deb --locked $(if $(MAINTAINER),--maintainer '$(MAINTAINER)')

deb-check: deb ## Installs, runs, upgrades and purges it in a fresh Debian, without systemd and with it (as root)
	@scripts/need.sh debootstrap lintian systemd-analyze systemd-nspawn redis-server redis-cli ps
	scripts/check-deb.sh
	scripts/check-systemd.sh

static: ## Builds a static binary, for any Linux: target/*-musl/release/rolecall
	@scripts/need.sh cc musl-gcc
	@scripts/musl-target.sh $(MUSL)
	CC_$(subst -,_,$(MUSL))=musl-gcc $(CARGO) build --release --locked --bin rolecall --target $(MUSL)

image: ## Builds the container image, with docker, podman or buildah
	@for tool in docker podman buildah; do \
	    if [ "$$tool" = buildah ] || $$tool info >/dev/null 2>&1; then break; fi; \
	done; \
	[ "$$tool" != buildah ] || scripts/need.sh buildah; \
	[ "$$tool" = docker ] || format='--format docker'; \
	set -x; $$tool build $${format:-} --build-arg VERSION=$(VERSION) -t rolecall .

image-check: ## Builds the image on bases made of Debian packages, and runs it before a real Redis (as root)
	@scripts/need.sh cc debootstrap buildah redis-server redis-cli
	scripts/check-image.sh $(VERSION)

compose-check: ## Plays deploy/compose.yaml with processes in network namespaces (as root)
	@scripts/need.sh cc redis-server redis-sentinel redis-cli prometheus ip curl
	$(CARGO) build --release --locked --bin rolecall
	scripts/check-compose.sh

bench: ## Compares with HAProxy and nginx; ROWS=, ROUNDS=
	@scripts/need.sh cc redis-server redis-benchmark haproxy nginx
	$(MANY_FILES); ROWS='$(ROWS)' ROUNDS='$(ROUNDS)' $(CARGO) bench --locked --bench compare

bench-scale: ## How cost grows with sessions and nodes, and the longest pause
	@scripts/need.sh cc redis-server redis-benchmark
	$(MANY_FILES); ROWS=scale $(CARGO) bench --locked --bench compare

bench-micro: ## Measures the hot paths by themselves
	@scripts/need.sh cc
	$(CARGO) bench --locked --bench core --bench relay

bench-failover: ## Plays failovers to rolecall and HAProxy, and counts (SCENARIOS=, PROXIES=, ROUNDS= choose)
	@scripts/need.sh cc redis-server redis-sentinel haproxy setpriv
	$(CARGO) bench --locked --bench failover

try-monitoring: ## Has a real Prometheus see every alert fire and resolve, and asks all queries of the dashboard
	@scripts/need.sh cc redis-server redis-sentinel prometheus
	$(MANY_FILES); $(CARGO) test --locked --bench monitoring -- --play

try-kubernetes: ## Plays the pods of deploy/kubernetes here: restarts, changed addresses, a new ConfigMap
	@scripts/need.sh cc redis-server redis-cli curl unshare
	$(CARGO) build --locked
	scripts/try-kubernetes.sh target/debug/rolecall

check-kubernetes: ## Validates deploy/kubernetes against the schemas of Kubernetes
	@scripts/need.sh python3
	scripts/check-kubernetes.sh

mutants: ## Breaks the rules of routing one by one, to see that a test notices each (takes hours)
	@scripts/need.sh cc
	@$(CARGO) mutants --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-mutants
	$(CARGO) mutants --output target

simulate: ## Plays a million random histories of copies, strangers, forgers and faults to the core; HISTORIES=, FIRST=
	@scripts/need.sh cc
	CARGO_PROFILE_TEST_OPT_LEVEL=3 ROLECALL_HISTORIES=$(HISTORIES) ROLECALL_FIRST=$(FIRST) ROLECALL_GO_ON=1 \
	    $(CARGO) test --locked --test simulation -- --nocapture

# A minimal Rust installation lacks these two.
components:
	@if ! $(CARGO) fmt --version >/dev/null 2>&1 || ! $(CARGO) clippy --version >/dev/null 2>&1; then \
	    if command -v rustup >/dev/null 2>&1; then rustup component add rustfmt clippy; \
	    else echo 'rustfmt or clippy is missing: install them as you installed Rust' >&2; exit 1; fi; \
	fi
