#!/usr/bin/env bash
# The matrix of tck.yaml, in containers, and the site of its reports: all.sh [ARGUMENT...], which are those of cloudstate-tck matrix. Results in out/matrix;
# the site is out/matrix/site/index.html, whatever the verdict. Wants bin/ built, and Docker, which is started if it does not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
ci/images.sh
status=0
bin/cloudstate-tck matrix --config tck.yaml --out out/matrix "$@" || status=$?
if [ -s out/matrix/matrix.json ]; then
  bin/cloudstate-tck site --out out/matrix/site out/matrix/matrix.json
fi
exit "$status"
