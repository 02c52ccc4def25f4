# `make` alone lists the targets. YES=1 installs missing Debian packages without asking.
SHELL   := /bin/bash
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
LAB     := examples/lab/lab.sh
YESFLAG := $(if $(YES),--yes)

.DEFAULT_GOAL := help
.PHONY: help build check demo test test-all fuzz test-real test-world lint bench release-dry lab-up lab-down clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

build: ## build bin/ghadeploy, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o bin/ghadeploy ./cmd/ghadeploy

demo: ## three real hosts, one highly available Grafana (root on Debian)
	@examples/lab/demo.sh $(YESFLAG)

check: ## gofmt, go vet and the tests that need neither root nor a lab, in a minute
	@.ci/check

test: ## all tests, in a lab of their own (root on Debian; plain `go test ./...` skips what needs it)
	@.ci/test $(YESFLAG)

test-all: ## make test with every case of every test, among them repeated proofs of the same thing
	@GHADEPLOY_LAB_ALL=1 .ci/test $(YESFLAG)

test-real: ## deploy, prove, restart and upgrade every real release in GHADEPLOY_GRAFANA_DIR (root on Debian)
	@.ci/test-real $(YESFLAG)

test-world: ## deploy, change, restart, upgrade and roll back on other releases of Debian, shells, settings of sshd (root on Debian)
	@.ci/test-world $(YESFLAG)

fuzz: ## all fuzz targets, each for FUZZTIME (5s)
	@.ci/fuzz

lint: ## gofmt, go vet, staticcheck, govulncheck, gocyclo, shellcheck
	@.ci/lint

release-dry: ## build a release with its packages, twice, compare, and have lintian and rpmlint judge them (root on Debian)
	@.ci/release-dry $(YESFLAG)

bench: build ## measure beside ssh, scp and Ansible; writes bench/README.md (root on Debian)
	@bench/run.sh $(YESFLAG)

lab-up: ## boot the demo's hosts: h1..hN and svc (N=3)
	@$(LAB) up $(or $(N),3) $(YESFLAG)

lab-down: ## stop them and leave no trace
	@$(LAB) down

clean: ## remove what was built (the lab's cached root file systems stay: examples/lab/lab.sh purge)
	rm -rf bin .cache/releases .cache/release .cache/dist
