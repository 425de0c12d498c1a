#!/usr/bin/env bash
# The TCK on our own proxy, support library and embedded store while things happen to them: tck-faults.sh [ENVIRONMENT ...]
# Without environments: all of them. DISTURBANCES is how many each case sees, SEEDS which seeds. Every run must pass; each says what was done and what came of
# it. Reports in out/tck-faults. Wants bin/ built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
environments=("$@")
[ $# -gt 0 ] || mapfile -t environments < <(bin/cloudstate-tck environments | cut --delimiter=' ' --fields=1 | grep --invert-match '^plain$')

# shellcheck source=ci/tck.sh
source ci/tck.sh

failed=0
count=0
for seed in ${SEEDS:-1}; do
  for environment in "${environments[@]}"; do
    out="out/tck-faults/$environment-seed-$seed"
    rm -rf "$out"
    start=$SECONDS
    status=0
    judge "$out" embedded --suite pair --environment "$environment" --disturbances "${DISTURBANCES:-25}" --seed "$seed" || status=$?
    count=$((count + 1))
    [ "$status" = 0 ] || failed=$((failed + 1))
    # What the storms noted: what was done to the targets, and what came of it.
    sed -n '/pair\/storm environment/,/ violations$/p' "$out/console.txt"
    echo "== tck in $environment, seed $seed: $((SECONDS - start)) s$([ "$status" = 0 ] || echo ", FAILED ($status)"), $out/report.html"
  done
done
echo "== tck under faults: $((count - failed)) of $count runs passed"
[ "$failed" = 0 ]
