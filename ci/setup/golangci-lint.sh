#!/usr/bin/env bash
# Builds golangci-lint, at the version that ci/tools/lint/go.mod pins, into bin/tools. About a minute the first time.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cd "$root/ci/tools/lint"
go build -o "$root/bin/tools/golangci-lint" github.com/golangci/golangci-lint/v2/cmd/golangci-lint
"$root/bin/tools/golangci-lint" version
