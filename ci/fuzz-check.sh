#!/usr/bin/env bash
# Fuzzes the protocol of our own proxy and library: fuzz-check.sh CONVERSATIONS [FLAG...]
# First the saved cases of fixtures/fuzz, then that many conversations with each side; what fails is written to out/fuzz.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
conversations="${1:?usage: fuzz-check.sh CONVERSATIONS [FLAG...], for example 20000}"
shift

targets=(--proxy builtin:reference --frontend builtin:go)
bin/cloudstate-tck fuzz "${targets[@]}" --replay fixtures/fuzz
bin/cloudstate-tck fuzz "${targets[@]}" --conversations "$conversations" "$@"
