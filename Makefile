# What one does in this checkout. It needs Go and nothing else: other tools are built from the pinned modules in hack/tools, once, and
# kept outside the checkout ($IOTFILE_TOOLS_DIR, by default a directory in the user's cache).

# State of `make run`.
DEV_DIR ?= .dev
# Further flags of `make run`, such as --port=8080 or --store=minio; bin/devcluster --help lists them.
RUN_ARGS ?=
# Further flags of `go test` in `make test` and `make race`, such as -run=TestName.
TEST_ARGS ?=
# Further flags of the benchmarks; `make bench-peers BENCH_ARGS=-help` lists them.
BENCH_ARGS ?=
# Of `make chaos`: how long to inject faults, the plan (0 for any), and which object store: versitygw, minio or ceph.
DURATION ?= 5m
SEED ?= 0
STORE ?= versitygw
# Of `make chaos`: 1 for operators with the race detector.
RACE ?=
# Further flags of `make chaos`, such as -clients=24 or -tags=seededloss.
CHAOS_ARGS ?=
# How long `make fuzz` runs each target.
FUZZ_TIME ?= 1m
# Further flags of `make e2e-cluster`, such as -engine=node or -from=COMMIT; `go run ./hack/cluster -help` lists them.
CLUSTER_ARGS ?=
# Of `make conformance`: the store, its keys in the environment. Further flags of it; `go run ./hack/conformance -help` lists them.
ENDPOINT ?=
BUCKET ?=
CONFORMANCE_ARGS ?=
# Of `make release`: what it is made for, by default all, and further flags; `go run ./hack/release -help` lists them.
PLATFORMS ?=
RELEASE_ARGS ?=
# The commit that `make bench-compare` compares with.
BASE ?= HEAD^

# The same flags everywhere: what the operator, the tools and the tests have in common is then compiled once.
export CGO_ENABLED = 0
GO_BUILD = go build -trimpath -ldflags '-s -w'
# A checkout with tags names the version of `make build` by them, another one by internal/version/VERSION.
DESCRIBED = $(shell git describe --tags --dirty 2>/dev/null)

# Programs, found or built at their first use. Written as `make lint GOLANGCI_LINT=path` to use another.
tool = $(or $(shell bin/devcluster tools $(1)),$(error $(1) is not to be had, see above))
CONTROLLER_GEN ?= $(call tool,controller-gen)
GOLANGCI_LINT ?= $(call tool,golangci-lint)

# Directories whose tests run with the race detector, with all below them: what goroutines share is there.
RACE_DIRS = $(wildcard internal/upload internal/catalog internal/dataplane internal/progress internal/filestore internal/identity \
	internal/connlimit internal/sharing internal/reviewserver internal/servingcert controllers webhook client)
# What runs with it: cgo, and a build cache of its own.
RACE_TEST = CGO_ENABLED=1 GOCACHE="$$(bin/devcluster race-cache)" go test -race -trimpath

# The Go client is a module of its own, which go.work puts beside this one: ./... leaves it out.
PACKAGES = ./... ./client/...
CLIENT_MODULE = github.com/iotfile-operator/iotfile-operator/client

TEST_TOOLS = etcd kube-apiserver kube-controller-manager kubectl helm versitygw minio dockerlint
TOOL_MODULES = $(patsubst %/go.mod,%,$(wildcard hack/tools/*/go.mod internal/e2e/generated/*/go.mod))

.DEFAULT_GOAL := help
.PHONY: help run tools unit test race verify verify-generated vet lint workflows circles tidy tidy-check apidiff page-check page-nightly govulncheck conformance conformance-all manifests generate reference docs build cli release recording bench bench-compare chaos fuzz nightly oldest e2e-cluster clean-dev devcluster

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: devcluster ## Run a whole system here until Ctrl-C: control plane, object store, operator. State: DEV_DIR.
	@exec bin/devcluster --dir='$(DEV_DIR)' $(RUN_ARGS)

tools: devcluster ## Get the programs that tests and linters need: built, where they cannot be downloaded.
	@bin/devcluster tools $(TEST_TOOLS) promtool prometheus golangci-lint controller-gen actionlint >/dev/null

test: devcluster ## Run all tests, against a real control plane and real object stores. It prints how long they took.
	@bin/devcluster tools $(TEST_TOOLS) promtool prometheus >/dev/null
	began=$$(date +%s); go test -trimpath -timeout=60m $(TEST_ARGS) $(PACKAGES); status=$$?; \
	echo "The tests took $$(($$(date +%s) - began)) seconds."; exit $$status

# What needs a server or another program leaves itself out with -short; what forgets to, fails for want of it.
unit: ## Run the tests that need no control plane, no store and no tools: less than a minute, once compiled.
	IOTFILE_TOOLS=none go test -trimpath -short $(TEST_ARGS) $(PACKAGES)

race: devcluster ## Run the tests of what goroutines share with the race detector. It needs a C compiler.
	@command -v $$(go env CC) >/dev/null || { echo 'The race detector needs a C compiler, such as the Debian packages gcc and libc6-dev.' >&2; exit 1; }
	@bin/devcluster tools etcd kube-apiserver versitygw minio >/dev/null
	@echo 'First a race that has to be found:'
	@out=$$($(RACE_TEST) -count=1 -tags=seededrace -run='^TestConcurrentParts$$' ./internal/dataplane 2>&1); \
	case "$$out" in *'WARNING: DATA RACE'*) echo 'It was.';; *) printf '%s\nIt was not.\n' "$$out" >&2; exit 1;; esac
	$(RACE_TEST) -timeout=30m $(TEST_ARGS) $(RACE_DIRS:%=./%/...)

verify: verify-generated vet lint workflows circles tidy-check apidiff page-check ## Check what CI checks besides the tests.

verify-generated: devcluster # Generates into a copy, so that it neither needs nor leaves a clean checkout.
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && \
	cp -r Makefile go.mod go.sum api charts config controllers hack internal webhook "$$copy" && \
	$(MAKE) --no-print-directory -C "$$copy" generate manifests CONTROLLER_GEN='$(CONTROLLER_GEN)' && \
	if diff -ru api "$$copy/api" && diff -ru config "$$copy/config" && diff -ru charts "$$copy/charts"; then echo 'Generated files are up to date.'; \
	else echo 'Generated files are stale: run make generate manifests.' >&2; exit 1; fi

vet:
	go vet -trimpath $(PACKAGES)

# With the flag of all builds here, or it compiles everything once more.
lint: devcluster ## Run the linters, which hold the import rules and the length limits.
	GOFLAGS="$$GOFLAGS -trimpath" $(GOLANGCI_LINT) run --allow-parallel-runners $(PACKAGES)

# Without shellcheck and pyflakes, which are not built from modules: what is found is the same on every machine.
workflows: devcluster ## Check the workflows of .github.
	$(call tool,actionlint) -shellcheck= -pyflakes=

circles: ## Hold that no large group of files calls one another in a circle.
	go run -trimpath ./hack/circles

govulncheck: ## Look for known vulnerabilities in what the operator is made of. GOVULNDB names a mirror of the database.
	$(GO_BUILD) -o bin/govulncheck-run ./hack/govulncheck
	@bin/govulncheck-run

# go mod tidy reads no go.work, and the version of the client that go.mod names gets its tag at the next release only. So a copy of go.mod is
# tidied, in which the client is the one of this checkout.
tidy_copy = copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && cp go.mod "$$copy" && { grep -v '^$(CLIENT_MODULE) ' go.sum >"$$copy/go.sum"; \
	export GOWORK=off; go mod edit -replace='$(CLIENT_MODULE)=$(CURDIR)/client' "$$copy/go.mod"; }

tidy-check:
	@echo 'go mod tidy -diff in .' && $(tidy_copy) && go mod tidy -diff -modfile="$$copy/go.mod"
	@for module in client $(TOOL_MODULES); do echo "go mod tidy -diff in $$module"; GOWORK=off go mod tidy -C "$$module" -diff || exit 1; done

tidy: ## Tidy go.mod and go.sum, also while the client that go.mod requires has no tag.
	@$(tidy_copy) && go mod tidy -modfile="$$copy/go.mod" && go mod edit -dropreplace='$(CLIENT_MODULE)' "$$copy/go.mod" && cp "$$copy/go.mod" "$$copy/go.sum" .

apidiff: devcluster ## Hold that each break of the Go client's API since commit BASE, or the last one, has a note in CHANGELOG.md.
	go run -trimpath ./hack/apidiff $(if $(filter file,$(origin BASE)),,-base='$(BASE)')

page-check: ## Check the page of kubectl iotfile ui: its size, that it fetches nothing from elsewhere, and, with Node.js, its types.
	go run -trimpath ./hack/page

page-nightly: devcluster ## Drive the page through all its journeys in Chromium. Screenshots of each view are in bin/ui-shots.
	@bin/devcluster tools $(TEST_TOOLS) >/dev/null
	go test -trimpath -count=1 -v -timeout=30m $(TEST_ARGS) ./internal/e2e/page -args -nightly

# The prerequisites of these two are inside the recipe's $(CONTROLLER_GEN): a copy of the checkout has no tools.
manifests: $(if $(filter file,$(origin CONTROLLER_GEN)),devcluster) ## Write the CRDs, the operator's role and the webhooks from the markers in the code, and the chart's copies of them.
	$(CONTROLLER_GEN) crd rbac:roleName=iotfile-operator webhook paths='./api/v1alpha1;./controllers/...;./internal/dataplane/...;./internal/filestore/...;./internal/identity;./internal/servingcert;./webhook/...' \
		output:crd:artifacts:config=config/crd/bases output:rbac:artifacts:config=config/rbac output:webhook:artifacts:config=config/webhook
	$(CONTROLLER_GEN) rbac:roleName=iotfile-operator paths='./controllers/...;./internal/filestore/...;./internal/identity;./internal/servingcert' \
		output:rbac:artifacts:config=config/components/split-roles/controller
	$(CONTROLLER_GEN) rbac:roleName=iotfile-operator-data-plane paths='./internal/dataplane/...;./internal/progress;./internal/filestore/...;./internal/identity' \
		output:rbac:artifacts:config=config/components/split-roles/data-plane-rbac
	go run -trimpath ./hack/chart

generate: $(if $(filter file,$(origin CONTROLLER_GEN)),devcluster) ## Write deep-copy functions and apply configurations from the API types.
	$(CONTROLLER_GEN) object applyconfiguration paths=./api/v1alpha1

reference: ## Write the pages of docs that are made from the code: the fields of the kinds, the flags of the operator, the command line.
	go run -trimpath ./hack/reference

docs: ## Make a static web site of docs, in bin/site.
	@go run -trimpath ./hack/site

build: ## Build the operator, static, into bin/operator.
	go build -trimpath -ldflags '-s -w -X github.com/iotfile-operator/iotfile-operator/internal/version.described=$(DESCRIBED)' -o bin/operator ./cmd/operator

cli: ## Build the command line, kubectl-iotfile, into bin.
	go build -trimpath -ldflags '-s -w -X github.com/iotfile-operator/iotfile-operator/internal/version.described=$(DESCRIBED)' -o bin/kubectl-iotfile ./cmd/kubectl-iotfile

release: devcluster ## Make all that a release has, in bin/release, without a container engine: images, chart, manifests, command line. PLATFORMS.
	$(GO_BUILD) -o bin/release-run ./hack/release
	@bin/release-run $(if $(PLATFORMS),-platforms='$(PLATFORMS)') $(RELEASE_ARGS)

recording: devcluster ## Draw the picture of a terminal in docs/cli.md, docs/images/put.svg, from a session with a whole system. Needs tmux.
	@bin/devcluster tools $(TEST_TOOLS) >/dev/null
	go run -trimpath ./hack/recording

bench: ## Measure memory and CPU per byte of the operator beside its object store alone.
	go run -trimpath ./hack/bench $(BENCH_ARGS)

bench-compare: devcluster ## Compare the hot functions with commit BASE on this machine; fails if one has become slower.
	go run -trimpath ./hack/benchcompare -base='$(BASE)' $(BENCH_ARGS)

bench-%: ## Run one benchmark: bench-cpu, bench-memory, or bench-peers (beside other servers and the straight way).
	go run -trimpath ./hack/bench $* $(BENCH_ARGS)

conformance: devcluster ## Say what works on an object store and what does not: ENDPOINT and BUCKET, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
	$(GO_BUILD) -o bin/conformance-run ./hack/conformance
	@exec bin/conformance-run -endpoint='$(ENDPOINT)' -bucket='$(BUCKET)' $(CONFORMANCE_ARGS)

conformance-all: devcluster ## The same on every store that can be started here. One that is known not to be usable has to be found so.
	$(GO_BUILD) -o bin/conformance-run ./hack/conformance
	@failed=; for store in versitygw minio ceph seaweedfs swift rclone; do echo "== $$store"; \
	bin/conformance-run -store=$$store $(CONFORMANCE_ARGS) || failed="$$failed $$store"; done; \
	[ -z "$$failed" ] || { echo "Failed or not to be had here:$$failed" >&2; exit 1; }

chaos: devcluster ## Inject faults into three operators and their servers under load, then audit everything. DURATION, SEED, STORE, RACE.
	@bin/devcluster tools $(TEST_TOOLS) >/dev/null
	$(GO_BUILD) -o bin/chaos-run ./hack/chaos
	@exec bin/chaos-run -duration=$(DURATION) -seed=$(SEED) -store=$(STORE) $(if $(RACE),-race) $(CHAOS_ARGS)

fuzz: ## Run each fuzz target for FUZZ_TIME.
	@for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' internal client | xargs -n1 dirname | sort -u); do \
	targets=$$(go test -trimpath -list='^Fuzz' "./$$dir") || exit 1; \
	for target in $$(echo "$$targets" | grep '^Fuzz'); do \
	echo "$$target ($$dir)"; go test -trimpath -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZ_TIME) "./$$dir" || exit 1; done; done

# What the API server judges or is asked, and the whole.
oldest: devcluster ## Run the tests that need an API server with that of the lowest Kubernetes that is supported.
	@bin/devcluster tools kube-apiserver-oldest $(TEST_TOOLS) >/dev/null
	IOTFILE_KUBERNETES=oldest go test -trimpath -count=1 -timeout=60m $(TEST_ARGS) ./api/... ./config/... ./controllers/... ./webhook/... ./internal/identity/... ./internal/lifecycle/... ./internal/e2e/...

nightly: ## Run what CI has no time for: all stores, long chaos with and without the race detector, gateways, the oldest Kubernetes, fuzzing.
	@echo 'First a lost update that chaos has to find:'
	@out=$$($(MAKE) chaos DURATION=1m CHAOS_ARGS=-tags=seededloss 2>&1); \
	case "$$out" in *'no order of the operations explains'*) echo 'It was found.';; *) printf '%s\nIt was not.\n' "$$out" >&2; exit 1;; esac
	$(MAKE) page-nightly
	$(MAKE) conformance-all
	$(MAKE) chaos DURATION=10m STORE=versitygw
	$(MAKE) chaos DURATION=10m STORE=minio
	if command -v radosgw >/dev/null && command -v ceph-mon >/dev/null && command -v ceph-osd >/dev/null; then $(MAKE) chaos DURATION=10m STORE=ceph; else echo 'NOT TESTED: chaos on Ceph, which is not installed'; fi
	$(MAKE) chaos DURATION=10m STORE=seaweedfs
	$(MAKE) chaos DURATION=3m STORE=versitygw RACE=1
	$(MAKE) chaos DURATION=3m STORE=minio RACE=1
	go test -trimpath -count=1 -run='^TestReproducible$$' ./hack/release -args -all-platforms
	go test -trimpath -count=1 -timeout=40m -v -run='^TestGateways$$' ./internal/cli -args -gateways
	$(MAKE) oldest
	$(MAKE) fuzz

e2e-cluster: ## Install it on a real cluster, use it, upgrade, roll, drain, kill, remove it. CLUSTER_ARGS.
	$(GO_BUILD) -o bin/cluster-run ./hack/cluster
	@exec bin/cluster-run $(CLUSTER_ARGS)

clean-dev: devcluster ## Delete the state of `make run`, unless it is running.
	@bin/devcluster clean --dir='$(DEV_DIR)'

devcluster:
	@$(GO_BUILD) -o bin/devcluster ./cmd/devcluster
