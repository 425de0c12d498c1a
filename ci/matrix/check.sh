#!/usr/bin/env bash
# A small matrix of programs of this machine, for `make test`: every frontend alone, and behind the reference proxy on the stores that start at once. The proxy
# alone is judged over each store by tck-check.sh. Report in out/matrix-check. Wants bin/ and out/foreign/java built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin/cloudstate-tck matrix --config ci/matrix/processes.yaml --out out/matrix-check --pairwise \
  --suite frontend --suite pair --exclude store=cassandra --seed "${SEED:-1}"
