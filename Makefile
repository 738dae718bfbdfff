# bobine: `make demo` shows it, `make test` proves it.

# Whatever a file is called reaches the shell as it is: make must not expand
# the dollars in it, nor the shell its spaces and quotes.
override export SOURCE := $(value SOURCE)
export KEEP

.PHONY: help demo test lint bench build setup

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: setup build ## encode a film and play it: [SOURCE=film.mov] [KEEP=1 leaves the farm running]
	@set -- demo; \
	[ -z "$$KEEP" ] || set -- "$$@" --keep; \
	[ -z "$$SOURCE" ] || set -- "$$@" -- "$$SOURCE"; \
	exec bin/bobine "$$@"

test: bin/versitygw bin/ec2-metadata-mock ## vet, and all tests under the race detector
	@.ci/setup ffmpeg ffprobe redis-server cc
	go vet ./...
	go test -race -timeout 45m ./...

lint: ## golangci-lint; its first build takes some minutes
	go tool -modfile=tools.mod golangci-lint run

bench: setup bin/versitygw ## CPU seconds against one plain ffmpeg, and what the farm adds to the encode
	go test -run '^$$' -bench . -benchtime 1x -timeout 60m ./...

# A real S3 server for the tests; its first build takes some minutes. Its many
# modules stay out of go.mod.
bin/versitygw: versitygw.mod versitygw.sum
	go build -modfile=versitygw.mod -trimpath -ldflags='-s -w' -o $@ github.com/versity/versitygw/cmd/versitygw || \
		echo 'no versitygw: the tests against a real S3 server will be skipped'

# AWS's own double of EC2's instance metadata, for the tests.
bin/ec2-metadata-mock: metadata.mod metadata.sum
	go build -modfile=metadata.mod -trimpath -ldflags='-s -w' -o $@ github.com/aws/amazon-ec2-metadata-mock/cmd/ec2-metadata-mock || \
		echo 'no ec2-metadata-mock: the test against it will be skipped'

build: ## bin/bobine
	go build -trimpath -o bin/bobine ./cmd/bobine

setup: ## install ffmpeg and redis-server where they are missing
	@.ci/setup ffmpeg ffprobe redis-server
