# `make run` starts the gateway, `make test` checks everything. The rest are their parts.

LINT_VERSION := v2.15.0
LINT := bin/golangci-lint-$(LINT_VERSION)
# a count, since a time may end a run with "context deadline exceeded"; for a long run: make fuzz FUZZ_TIME=10m
FUZZ_TIME ?= 100000x
CHROMIUM ?= /usr/bin/chromium
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
# Static, and without the paths of the machine that builds. An empty version leaves the one that Go itself has noted.
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X revox-graphql/gateway.version=$(VERSION)'
IMAGE ?= revox-graphql:$(or $(VERSION),latest)
# The first of these that works here.
BUILDER ?= $(firstword $(foreach builder,docker podman buildah,$(shell $(builder) info >/dev/null 2>&1 && echo $(builder))))
# apt as whoever may use it
APT := $(if $(filter 0,$(shell id -u)),,sudo )apt-get

EXPLORER := gateway/explorer/dist/index.html
EXPLORER_SOURCES := $(addprefix gateway/explorer/,index.html package-lock.json vite.config.ts) $(wildcard gateway/explorer/src/*)

.PHONY: run build image explorer test generated lint unit race fuzz deploy acceptance screenshots bench stress stress-short clean

run: build
	./bin/revox-graphql

build: explorer
	$(GO_BUILD) -o bin/revox-graphql .

# From scratch, so nothing is pulled. For other machines: make image GOARCH=arm64.
image: explorer
	GOOS=linux $(GO_BUILD) -o bin/image/revox-graphql .
	@test -n '$(BUILDER)' || { echo 'make image needs docker, podman or buildah'; exit 1; }
	$(BUILDER) build --target prebuilt --platform linux/$$(go env GOARCH) --build-arg VERSION=$(VERSION) --tag $(IMAGE) .

# Without npm the binary holds a plain page that says so, and everything else works.
ifneq ($(shell command -v npm),)
explorer: $(EXPLORER)
else
explorer:
	@echo 'npm is missing: building without GraphiQL. Install Node 20.19 or newer to have it.'
endif

$(EXPLORER): $(EXPLORER_SOURCES)
	cd gateway/explorer && npm ci --no-audit --no-fund && npm run build

test: generated lint unit race fuzz deploy acceptance stress-short
	@echo 'make test: all is well'

# What is generated is what its sources say, and go.mod has what is used.
generated:
	go mod tidy -diff
	@before=$$(cat graph/generated/*.go graph/oracle/*.go | cksum); go generate ./... && test "$$before" = "$$(cat graph/generated/*.go graph/oracle/*.go | cksum)" || \
		{ echo 'go generate changed files: run it and commit what it made'; exit 1; }

lint: $(LINT)
	$(LINT) run ./...
	cd examples/go && go mod tidy -diff && $(CURDIR)/$(LINT) run ./...
	@fixes=$$(go fix -diff ./... 2>&1); test -z "$$fixes" || { echo "$$fixes"; echo 'run go fix ./...'; exit 1; }

$(LINT):
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv bin/golangci-lint $@

unit:
	go test ./...

# All once more under the race detector, which is ten times as slow: so what compares random cases takes fewer, and long
# walks without a goroutine are left out.
race:
	@command -v cc >/dev/null || { $(APT) update && $(APT) install -y --no-install-recommends gcc libc6-dev; }
	CGO_ENABLED=1 go test -race $$(go list ./... | grep -v '/graph$$\|/pagination$$') -skip 'TestOddUpstreams|TestOddPages'
	CGO_ENABLED=1 go test -race ./graph -operations 1000 -tenants.operations 1000 -rapid.checks 20 -rapid.seed 1 \
		-skip 'TestForgedCursors'
	CGO_ENABLED=1 go test -race ./graph/pagination -rapid.checks 20 -rapid.seed 1 \
		-skip 'TestStandingWalks|TestMovingWalk|TestShiftsAreFoundByTime'

# Each fuzz target for a short run; a failure is written to testdata, to be kept as a case.
fuzz:
	go test ./upstream -run '^$$' -fuzz FuzzReadPage -fuzztime $(FUZZ_TIME)
	go test ./graph/relay -run '^$$' -fuzz FuzzParseCursor -fuzztime $(FUZZ_TIME)
	go test ./graph/relay -run '^$$' -fuzz FuzzCover -fuzztime $(FUZZ_TIME)
	go test ./graph/pagination -run '^$$' -fuzz FuzzWindow -fuzztime $(FUZZ_TIME)
	go test ./graph -run '^$$' -fuzz FuzzRequest -fuzztime $(FUZZ_TIME) -fuzzminimizetime 10x
	go test ./gateway -run '^$$' -fuzz FuzzDoor -fuzztime $(FUZZ_TIME) -fuzzminimizetime 10x
	go test ./graph -run '^$$' -fuzz FuzzOracle -fuzztime 2000x -fuzzminimizetime 10x

# The image, the systemd unit and the manifests, as far as they can be tried without their hosts.
deploy: build $(LINT) /usr/bin/buildah /usr/bin/systemd-analyze
	cd deploy/tests && go mod tidy -diff && $(CURDIR)/$(LINT) run ./... && \
		GATEWAY_BIN=$(CURDIR)/bin/revox-graphql VERSION=$(VERSION) go test -count 1 ./...

/usr/bin/buildah:
	$(APT) update && $(APT) install -y --no-install-recommends buildah

/usr/bin/systemd-analyze:
	$(APT) update && $(APT) install -y --no-install-recommends systemd

# The built gateway against software from elsewhere: GraphQL clients, graphql-js, the graphql-http audits, Chromium,
# Prometheus, HAProxy, nginx. For more random requests to compare with graphql-js: make acceptance DIFFERENTIAL=100000.
acceptance: build $(CHROMIUM) /usr/bin/prometheus /usr/sbin/haproxy /usr/sbin/nginx
	for folder in examples examples/web test/acceptance test/acceptance/graphql-17; do \
		(cd $$folder && npm ci --no-audit --no-fund) || exit 1; done
	cd test/acceptance && GATEWAY_BIN=$(CURDIR)/bin/revox-graphql CHROMIUM=$(CHROMIUM) npm test

/usr/bin/chromium:
	$(APT) update && $(APT) install -y --no-install-recommends chromium

# It brings promtool.
/usr/bin/prometheus:
	$(APT) update && $(APT) install -y --no-install-recommends prometheus

/usr/sbin/haproxy:
	$(APT) update && $(APT) install -y --no-install-recommends haproxy

# Pictures of the explorer and the example page, to look at, and the one in the README.
screenshots: build $(CHROMIUM)
	for folder in examples/web test/acceptance; do (cd $$folder && npm ci --no-audit --no-fund) || exit 1; done
	cd test/acceptance && SCREENSHOTS=$(CURDIR)/bin/screenshots GATEWAY_BIN=$(CURDIR)/bin/revox-graphql CHROMIUM=$(CHROMIUM) \
		node --test explorer.test.mjs explorer-share.test.mjs page.test.mjs
	cp bin/screenshots/page-light.png docs/page.png

# The table of ratios in README.md, and the parts of it; on a quiet machine.
bench: build /usr/bin/wrk
	go run ./test/bench -gateway bin/revox-graphql -rounds 5
	go test ./upstream ./graph -run '^$$' -bench . -benchmem

# What the gateway bears in 1 GiB of memory, a row for each load. For some of them, or longer:
# make stress STRESS='-scenario walks,large -for 10s', or STRESS='-scenario everything -soak 10m'.
stress: build /usr/sbin/nginx
	go run ./test/bench stress -gateway bin/revox-graphql $(STRESS)

# What must hold on any machine, however busy: outcomes, and no times.
stress-short: build
	go run ./test/bench stress -short -gateway bin/revox-graphql

/usr/sbin/nginx:
	$(APT) update && $(APT) install -y --no-install-recommends nginx-light

/usr/bin/wrk:
	$(APT) update && $(APT) install -y --no-install-recommends wrk

clean:
	rm -rf bin gateway/explorer/dist/assets gateway/explorer/dist/*.html* gateway/explorer/node_modules test/acceptance/node_modules test/acceptance/graphql-17/node_modules examples/node_modules examples/web/node_modules
