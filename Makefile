# Tidegate: `make run` to see it, `make test` to check all of it. `make help` lists the rest.
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)

help:            ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: build       ## install what is missing, build, start the demo and print its address
	build/release/tidegate demo

build:           ## the release binary, build/release/tidegate
	tools/install build
	cmake --preset release --log-level=WARNING
	cmake --build build/release -j $(JOBS)

test:            ## everything: style, unit, real PostgreSQL, real Kafka, browser
	tools/install test
	tools/run-tests

long:            ## what takes longer than `make test` may
	tools/install test
	tools/run-tests long

mutants:         ## breaks each rule's code on purpose and wants its test to fail (slow)
	tools/install test
	tools/mutants

tsan:            ## tests of what runs on several threads under ThreadSanitizer (slow)
	tools/install test
	tools/tsan

bench:           ## what delivery costs, beside the floor and others; 15 minutes, on a quiet machine. BENCH='--rounds 5 --seconds 10'
	tools/install test
	bench/peers/install
	tools/bench-table $(BENCH)

format:          ## clang-format in place
	tools/format

lint:            ## clang-tidy over everything (slow)
	tools/install test
	cmake --preset dev --log-level=WARNING
	tools/lint

clean:           ## remove what was built
	rm -rf build

.PHONY: help run build test long mutants tsan bench format lint clean
