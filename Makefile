# Everything that is done with this repository, each in one word. `make` alone lists it.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO := scripts/lib/with-rust.sh cargo
# Where cargo puts its output; it may have been moved.
TARGET := $(or $(CARGO_TARGET_DIR),target)
SHARE := $(DESTDIR)$(PREFIX)/share/mathledger-ops

.DEFAULT_GOAL := help
.PHONY: help nightly test check fuzz bench derive-record generate windows install services-up services-down services-status clean clean-services

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

nightly: ## install what is missing, build, start private servers, run a whole night (EXTERNAL=1: on your own servers)
	@scripts/nightly-local.sh $(ARGS)

test: ## install what is missing, build, run all tests against private servers
	@scripts/test.sh

check: ## the whole gate: format, lints, tests, documentation, generated files, shell scripts
	@scripts/install-deps.sh --check
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps
	shellcheck -x scripts/*.sh scripts/lib/*.sh .ci/run
	@scripts/test.sh

fuzz: ## property tests on new random cases, CASES=1000 each (what fails is kept in proptest-regressions)
	PROPTEST_CASES=$(or $(CASES),1000) $(CARGO) test --workspace --exclude ml-tests --no-fail-fast --lib
	PROPTEST_CASES=$(or $(CASES),1000) $(CARGO) test -p ml-logic -p ml-derive -p ml-archive --no-fail-fast --test unification --test truth --test notations --test proofs --test reference --test hostile

bench: ## measure the derivation engine beside a plain one (BENCH_LONG=1: more rounds)
	@scripts/bench.sh $(ARGS)

derive-record: ## the long run of the derivation engine against the published figures (TO=29; resumable; not part of the tests)
	@scripts/derive-record.sh --to $(or $(TO),29)

generate: ## write the generated files anew (help texts, record reference)
	$(CARGO) build --workspace
	UPDATE_GENERATED=1 $(CARGO) test -p ml-tests --test generated
	UPDATE_GENERATED=1 $(CARGO) test -p ml-health --test reference

windows: ## type-check every tool for Windows (not part of make test)
	@scripts/windows-check.sh

install: ## install programs, scripts and settings under PREFIX (/usr/local)
	$(CARGO) build --release --workspace --exclude ml-tests
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(SHARE)/scripts'
	find '$(TARGET)/release' -maxdepth 1 -type f -name 'ml-*' -perm -u+x -exec install -m 755 {} '$(DESTDIR)$(PREFIX)/bin/' \;
	for file in scripts/run-nightly.*; do install -m 755 "$$file" '$(SHARE)/scripts/'; done
	@# Settings that somebody has filled in are kept; the new ones come beside them.
	@for file in $$(find config -type f); do \
		there='$(SHARE)'/"$$file"; \
		if [ -e "$$there" ] && ! cmp -s "$$file" "$$there"; then there=$$there.new; echo "kept: $${there%.new}, the new one is $$there"; fi; \
		install -D -m 644 "$$file" "$$there"; \
	done

services-up: ## start the private PostgreSQL and Redis
	@scripts/services.sh up
	@scripts/services.sh status

services-down: ## stop them; their data stays
	@scripts/services.sh down

services-status: ## say where they are and whether they run
	@scripts/services.sh status

clean: ## stop the private servers and remove what was built; the ledger's data, exports and backups stay
	@scripts/services.sh down
	rm -rf target
	@$(if $(CARGO_TARGET_DIR),echo 'not removed: CARGO_TARGET_DIR is $(CARGO_TARGET_DIR)',:)

clean-services: ## remove the private servers WITH the ledger in them (asks first)
	@scripts/services.sh destroy
