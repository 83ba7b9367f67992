# `make help` lists the commands.

LINT_VERSION := v2.15.0
LINT := bin/golangci-lint-$(LINT_VERSION)
GREMLINS_VERSION := v0.6.0
GREMLINS := bin/gremlins-$(GREMLINS_VERSION)
# How long `make fuzz` takes for each target, such as 10m. By default, a number of inputs: a duration may end a run with
# "context deadline exceeded".
FUZZ_TIME ?=
# The seed of the tests with random cases. For other cases: make unit SEED=$$RANDOM
SEED ?= 1
# The time limit of `make mutants` for each package.
MUTANTS_TIME ?= 10m
# The headless shell has the engine of Chromium without the windows of a browser, which would take half of the processor
# time of the tests. Where its package does not exist, an installed Chromium is used.
CHROMIUM ?= $(firstword $(wildcard /usr/bin/chromium-headless-shell /usr/bin/chromium) /usr/bin/chromium-headless-shell)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
# Static, and without paths of the build machine. With an empty version, the binary reports the one that Go recorded.
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X revox-graphql/gateway.version=$(VERSION)'
IMAGE ?= revox-graphql:$(or $(VERSION),latest)
RELEASE ?= bin/release
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
# The tool of the CycloneDX project for Go modules
CYCLONEDX := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
# The first of these programs that works on this machine.
BUILDER ?= $(firstword $(foreach builder,docker podman buildah,$(shell $(builder) info >/dev/null 2>&1 && echo $(builder))))
# The shells for which `revox-graphql completion` writes scripts, beside bash itself.
SHELLS := /usr/share/bash-completion/bash_completion /usr/bin/fish /usr/bin/zsh
ACCEPTANCE_TOOLS := $(CHROMIUM) /usr/bin/prometheus /usr/sbin/haproxy /usr/sbin/nginx /usr/bin/jq $(SHELLS)
DEPLOY_TOOLS := /usr/bin/buildah /usr/bin/systemd-analyze
# apt-get as root, directly or by sudo
APT := $(if $(filter 0,$(shell id -u)),,sudo )apt-get

# What npm has installed in a folder is up to date while it is newer than the folder's lock file.
installed = $(addsuffix /node_modules/.package-lock.json,$(1))
ACCEPTANCE_FOLDERS := test/acceptance test/acceptance/graphql-17 $(patsubst %/package-lock.json,%,$(wildcard examples/*/package-lock.json))

EXPLORER := gateway/explorer/dist/index.html
EXPLORER_SOURCES := $(addprefix gateway/explorer/,index.html package-lock.json vite.config.ts) $(wildcard gateway/explorer/src/*)

# Import paths of the packages that import a package, also in their tests.
importers = $(shell go list -f '{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}} ' ./... | \
	grep -E ' ($(1)) ' | cut -d' ' -f1)
# Packages whose tests have the flags of rapid. The tests of graph have further flags for random cases.
RAPID = $(filter-out $(GRAPH),$(call importers,pgregory.net/rapid))
GRAPH := revox-graphql/graph
# Packages with goroutines or locks.
CONCURRENT = $(filter-out revox-graphql/test/%,$(call importers,sync|sync/atomic))
# The linters include vet, so the tests run without it. On a busy machine, packages take longer than the default limit.
GO_TEST := go test -vet=off -timeout 30m
# Parallel tests wait more than they compute.
WAITING := -parallel 8

# Tests that `make check` leaves out, because each takes more than three seconds.
SLOW := TestOddUpstreams TestOddPages TestOracle TestKilledWalks TestShiftsAreFoundByTime TestStandingWalks TestFaults \
	TestMemoryLimit TestModelOverHTTP TestAnyRequest TestMovingWalk TestTenants TestForgedCursors TestUpstreamFailures \
	TestHeapStaysWithinTheBound TestTheKeyStaysSecret TestQuerySettings TestReadyFollowsUpstream TestDocumentsAreBounded \
	TestMemory
# Tests that `make race` leaves out: long ones with one request at a time, those that start many processes, and those
# that must read 64 MB within a timeout. The race detector would take more than three seconds for each.
NO_RACE := TestOddUpstreams TestOddPages TestKilledWalks TestDemoReplacesNoFile TestTheKeyStaysSecret TestUpdate \
	TestExitStatuses TestResponsesAreBounded TestRandomResponsesAreCut TestTheStandingList TestNoLineIsRepeated TestLife \
	TestOrderByTime TestOrderWhileCallsLive TestTheHeadIsAlive TestForgedCursors TestStandingWalks TestMovingWalk \
	TestShiftsAreFoundByTime TestPagesPastTheEndHaveNoPositions TestAPlaceIsFoundWhereAllHaveLeft \
	TestAPlaceThatIsReadOnceMore TestTimesInListsOfAnyOrder TestGoldenQueries TestHostileFilters \
	TestRequestsAreReserved TestContentEncoding TestAnEmptyPageInTheMiddle TestLoweredPages TestTheLimitOfAResponseComesFirst
NO_RACE_FAULTS := ^TestFaults$$/^(64_MB|gzip_bomb)
space := $(subst ,, )
# A regular expression of whole names.
names = ^($(subst $(space),|,$(strip $(1))))$$

.PHONY: help run build image release explorer test check generated lint packages unit race fuzz deploy acceptance screenshots \
	bench bench-filters stress stress-short mutants clean

help: ## List these commands.
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

run: build ## Build and start the gateway. Without REVOX_API_KEY it serves the demo.
	./bin/revox-graphql

build: explorer ## Build bin/revox-graphql.
	$(GO_BUILD) -o bin/revox-graphql .

# The image is from scratch, so the build pulls nothing. For other machines: make image GOARCH=arm64. The format of OCI,
# which Buildah and Podman write by default, has no health checks.
image: explorer ## Build the container image $IMAGE.
	GOOS=linux $(GO_BUILD) -o bin/image/revox-graphql .
	@test -n '$(BUILDER)' || { echo 'make image needs docker, podman or buildah'; exit 1; }
	BUILDAH_FORMAT=docker $(BUILDER) build --target prebuilt --platform linux/$$(go env GOARCH) --build-arg VERSION=$(VERSION) --tag $(IMAGE) .

# For fewer platforms: make release PLATFORMS=linux/amd64. The same commit and VERSION give the same binaries in any
# folder, so the build records no state of the repository.
release: explorer ## Build the binaries of a release with checksums and SBOMs in bin/release. Nothing is published.
	@test -f $(EXPLORER) || { echo 'make release needs npm, or the binaries would lack GraphiQL'; exit 1; }
	rm -rf $(RELEASE) && mkdir -p $(RELEASE)
	@set -e; for platform in $(PLATFORMS); do \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		binary=$(RELEASE)/revox-graphql_$(VERSION)_$${GOOS}_$$GOARCH; \
		test $$GOOS != windows || binary=$$binary.exe; \
		echo "building $$binary"; \
		$(GO_BUILD) -buildvcs=false -o $$binary .; \
		GOOS= GOARCH= go run $(CYCLONEDX) bin -json -std -noserial -notimestamp -version $(VERSION) \
			-output $$binary.cdx.json $$binary; \
	done
	cd gateway/explorer && npm sbom --sbom-format=cyclonedx --omit=dev --package-lock-only \
		> $(abspath $(RELEASE))/revox-graphql_$(VERSION)_graphiql.cdx.json
	cd $(RELEASE) && sha256sum -- * > SHA256SUMS

# Without npm the binary serves a plain page in place of GraphiQL, and everything else works.
ifneq ($(shell command -v npm),)
explorer: $(EXPLORER)
else
explorer:
	@echo 'npm is missing: building without GraphiQL. It requires Node 20.19 or newer.'
endif

$(EXPLORER): $(EXPLORER_SOURCES) $(call installed,gateway/explorer)
	cd gateway/explorer && npm run build

# npm ci installs exactly what the lock file says, and takes what it has downloaded before.
%/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --prefer-offline --no-audit --no-fund && touch node_modules/.package-lock.json

# Three stages at a time, since each waits now and then; in this order, so that the linters fail first and the longest
# stage begins early. After a failure no further stage starts. What stages need is built and installed before. Packages
# come one after the other, since one apt-get locks out another.
test: $(LINT) $(ACCEPTANCE_TOOLS) $(DEPLOY_TOOLS) ## Run all checks: lint, tests, race detector, fuzzing, deployment, acceptance and load tests.
	$(MAKE) -j 3 --output-sync=target build generated $(call installed,$(ACCEPTANCE_FOLDERS))
	$(MAKE) -j 3 -o build --output-sync=target lint acceptance unit race fuzz deploy stress-short
	@echo 'make test: passed'

check: lint ## Run the quick checks: lint, and the unit tests without the slow ones.
	$(GO_TEST) $(WAITING) ./... -skip '$(call names,$(SLOW))'

GENERATED := graph/generated/*.go graph/oracle/*.go examples/go/generated.go docs/configuration.md docs/errors.md

# Generated files must equal what their generators make, and go.mod must list exactly the used modules.
generated: ## Check that generated files and go.mod are up to date.
	go mod tidy -diff
	@before=$$(cat $(GENERATED) | cksum); go generate ./... && (cd examples/go && go generate ./...) && \
		test "$$before" = "$$(cat $(GENERATED) | cksum)" || \
		{ echo 'go generate changed files: run it and commit what it made'; exit 1; }

# By default, golangci-lint fails where another one runs on the machine, such as that of the stage deploy.
lint: $(LINT) ## Run the linters, and check the layers of packages and the names of tests in this file.
	$(LINT) run --allow-parallel-runners ./...
	cd examples/go && go mod tidy -diff && $(CURDIR)/$(LINT) run --allow-parallel-runners ./...
	@fixes=$$(go fix -diff ./... 2>&1); test -z "$$fixes" || { echo "$$fixes"; echo 'run go fix ./...'; exit 1; }
	@go run ./test/packages >/dev/null
	@for name in $(SLOW) $(NO_RACE); do grep -rqs --include='*_test.go' "^func $$name(" gateway graph upstream internal test || \
		{ echo "the Makefile lists $$name, but there is no such test"; exit 1; }; done
	@listed=$$(sed -n 's/^\t$$(call FUZZ,\([A-Za-z]*\),.*/\1/p' Makefile | sort); \
		declared=$$(grep -rhoE --include='*_test.go' '^func Fuzz[A-Za-z]+' gateway graph upstream internal test | cut -c6- | sort); \
		test "$$listed" = "$$declared" || { echo "the target fuzz lists other tests than there are: $$listed, $$declared"; exit 1; }

packages: ## Print the packages with their sizes and imports; fail if one is too large or imports a higher layer.
	go run ./test/packages

$(LINT):
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv bin/golangci-lint $@

unit: ## Run all unit tests.
	@echo 'seed $(SEED)'
	$(GO_TEST) $(WAITING) $(filter-out $(RAPID) $(GRAPH),$(shell go list ./...))
	$(GO_TEST) $(RAPID) -rapid.seed $(SEED)
	$(GO_TEST) $(GRAPH) -rapid.seed $(SEED) -tenants.seed $(SEED)

# Tests are about ten times as slow under the race detector, so those with random cases take fewer of them.
race: ## Run the tests of concurrent packages under the race detector.
	@command -v cc >/dev/null || { $(APT) update && $(APT) install -y --no-install-recommends gcc libc6-dev; }
	@echo 'seed $(SEED)'
	CGO_ENABLED=1 $(GO_TEST) -race $(WAITING) $(filter-out $(RAPID) $(GRAPH),$(CONCURRENT)) \
		-skip '$(call names,$(NO_RACE))|$(NO_RACE_FAULTS)'
	CGO_ENABLED=1 $(GO_TEST) -race $(filter $(RAPID),$(CONCURRENT)) -rapid.checks 20 -rapid.seed $(SEED) \
		-skip '$(call names,$(NO_RACE))'
	CGO_ENABLED=1 $(GO_TEST) -race $(GRAPH) -operations 1000 -tenants.operations 1000 -tenants.seed $(SEED) \
		-rapid.checks 20 -rapid.seed $(SEED) -skip '$(call names,$(NO_RACE))'

FUZZ = $(GO_TEST) $(2) -run '^$$' -fuzz '^$(1)$$' -fuzztime $(or $(FUZZ_TIME),$(3)) -fuzzminimizetime 10x \
	-args -test.fuzzcachedir=$(CURDIR)/bin/fuzz

# A failing input is written to testdata: commit it as a test case. Each run begins with the seeds in the code and in
# testdata, and not with what earlier runs on this machine have found, so it takes the same time everywhere.
fuzz: ## Fuzz each target for a short time, or for $FUZZ_TIME.
	rm -rf bin/fuzz
	$(call FUZZ,FuzzParsePage,./upstream,50000x)
	$(call FUZZ,FuzzParseCursor,./graph/relay,50000x)
	$(call FUZZ,FuzzCover,./graph/relay,50000x)
	$(call FUZZ,FuzzWindow,./graph/pagination,50000x)
	$(call FUZZ,FuzzRequest,./graph,20000x)
	$(call FUZZ,FuzzHandler,./gateway,20000x)
	$(call FUZZ,FuzzOracle,./graph,1000x)
	$(call FUZZ,FuzzAnyRequest,./graph,1000x)
	$(call FUZZ,FuzzFold,./internal/textmatch,50000x)

# As far as possible without the hosts that they are for.
deploy: build $(LINT) $(DEPLOY_TOOLS) ## Test the image, the systemd unit and the Kubernetes manifests.
	cd deploy/tests && go mod tidy -diff && $(CURDIR)/$(LINT) run --allow-parallel-runners ./... && \
		GATEWAY_BIN=$(CURDIR)/bin/revox-graphql VERSION=$(VERSION) go test -count 1 ./...

/usr/bin/buildah:
	$(APT) update && $(APT) install -y --no-install-recommends buildah

/usr/bin/systemd-analyze:
	$(APT) update && $(APT) install -y --no-install-recommends systemd

# The other programs are GraphQL clients, graphql-js, the graphql-http audits, Chromium, Prometheus, HAProxy, nginx and
# shells.
# For one file of tests: make acceptance FILES=docs.test.mjs. For more random requests to compare with graphql-js:
# make acceptance DIFFERENTIAL=100000.
acceptance: build $(ACCEPTANCE_TOOLS) $(call installed,$(ACCEPTANCE_FOLDERS)) ## Test the built gateway with other programs; only $FILES, if given.
	cd test/acceptance && GATEWAY_BIN=$(CURDIR)/bin/revox-graphql CHROMIUM=$(CHROMIUM) npm test -- $(FILES)

/usr/bin/chromium-headless-shell:
	$(APT) update && $(APT) install -y --no-install-recommends chromium-headless-shell

# This package includes promtool.
/usr/bin/prometheus:
	$(APT) update && $(APT) install -y --no-install-recommends prometheus

/usr/sbin/haproxy:
	$(APT) update && $(APT) install -y --no-install-recommends haproxy

# For a command of docs/.
/usr/bin/jq:
	$(APT) update && $(APT) install -y --no-install-recommends jq

$(SHELLS) &:
	$(APT) update && $(APT) install -y --no-install-recommends bash-completion fish zsh

screenshots: build $(CHROMIUM) $(call installed,examples/web test/acceptance) ## Take screenshots of GraphiQL and the example page, also the one in the README.
	cd test/acceptance && SCREENSHOTS=$(CURDIR)/bin/screenshots GATEWAY_BIN=$(CURDIR)/bin/revox-graphql CHROMIUM=$(CHROMIUM) \
		npm test -- explorer.test.mjs explorer-share.test.mjs explorer-states.test.mjs page.test.mjs page-failures.test.mjs page-states.test.mjs
	cp bin/screenshots/page-light.png docs/page.png

# About eight minutes on two cores. For a part of it, run one of the commands; -help lists their flags.
bench: build /usr/bin/wrk ## Compare with net/http, gqlgen and loops over REST, on a quiet machine; run the Go benchmarks.
	go run ./test/bench -gateway bin/revox-graphql
	go run ./test/bench interactive -gateway bin/revox-graphql
	go run ./test/bench walk -gateway bin/revox-graphql -kills 0 -rounds 3 -latency 1ms
	go run ./test/bench walk -gateway bin/revox-graphql -kills 3 -arrive 20 -leave 5 -rounds 3 -latency 20ms
	go run ./test/bench walk -gateway bin/revox-graphql -kills 0 -rounds 1 -latency 100ms
	go run ./test/bench walk -gateway bin/revox-graphql -kills 0 -rounds 1 -latency 100ms -concurrency 8
	go test ./upstream ./graph -run '^$$' -bench . -benchmem

bench-filters: build ## Measure the CPU time of filters, beside JavaScript, and of hostile ones.
	GATEWAY_BIN=bin/revox-graphql node test/acceptance/filters-cpu.mjs
	go test ./graph -run TestHostileFilters -hostile.calls 20000 -v

# For some of the loads, or longer: make stress STRESS='-scenario walks,large -for 10s', or
# STRESS='-scenario everything -soak 10m'.
stress: build /usr/sbin/nginx ## Load the gateway in 1 GiB of memory, with a row for each load.
	go run ./test/bench stress -gateway bin/revox-graphql $(STRESS)

# Its rules are about outcomes and not about times, so they hold on any machine.
stress-short: build ## Run the short loads.
	go run ./test/bench stress -short -gateway bin/revox-graphql

/usr/sbin/nginx:
	$(APT) update && $(APT) install -y --no-install-recommends nginx-light

/usr/bin/wrk:
	$(APT) update && $(APT) install -y --no-install-recommends wrk

# Each mutant that survives is printed as LIVED. For the wiring of a package: PACKAGES=./gateway.
mutants: $(GREMLINS) ## Change the code of $PACKAGES, one place at a time, and report the changes that no test notices.
	@test -n '$(PACKAGES)' || { echo 'usage: make mutants PACKAGES="./graph/relay ./graph/encode" [MUTANTS_TIME=10m]'; exit 1; }
	@for package in $(PACKAGES); do \
		timeout $(MUTANTS_TIME) $(GREMLINS) unleash --workers 2 --test-cpu 1 --timeout-coefficient 10 --output-statuses lt \
			--invert-logical --invert-loopctrl --remove-self-assignments $$package || exit; done

$(GREMLINS):
	GOBIN=$(CURDIR)/bin go install github.com/go-gremlins/gremlins/cmd/gremlins@$(GREMLINS_VERSION)
	mv bin/gremlins $@

clean: ## Remove everything that is built or downloaded.
	rm -rf bin gateway/explorer/dist/assets gateway/explorer/dist/*.html* gateway/explorer/node_modules \
		test/acceptance/node_modules test/acceptance/graphql-17/node_modules examples/*/node_modules
