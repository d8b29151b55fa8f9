# Every target is a script below scripts/, which can be run alone. `make help` lists them.

.PHONY: help demo test test-k8s check bench advisories bpf ci

help: ## Say what there is
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: ## Install what is missing, build, and watch a small agent at work
	@scripts/demo

test: ## Install what is missing, and run every test
	@scripts/test

test-k8s: ## Profile pods on a real kubelet, which is built once (ten minutes); as root, not in CI
	@scripts/test-k8s

check: ## Format, lints, documentation, licences, MSRV, import rules, BPF rebuild
	@scripts/check

bench: ## Measure what watching costs (JSON=1: as JSON)
	@scripts/bench

advisories: ## Ask the RustSec database about our dependencies (needs the network)
	@scripts/advisories

bpf: ## Rebuild the checked-in BPF objects with the pinned clang
	@scripts/bpf-update

ci: ## What CI runs: check and test
	@.ci/run
