#!/usr/bin/env bash
# A small matrix of programs of this machine, for `make test`: every frontend alone and behind the reference proxy, every store that starts at once. The
# published libraries are on one store only, for their known bugs take time-outs. The proxy alone is judged by tck-check.sh and tck-stores.sh. Report in
# out/matrix-check. Wants bin/ and out/foreign built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bin/cloudstate-tck matrix --config ci/matrix/processes.yaml --out out/matrix-check --pairwise \
  --suite frontend --suite pair --exclude store=cassandra --exclude 'frontend=java|node|python,store=embedded|postgres' --seed "${SEED:-1}"
