#!/usr/bin/env bash
# The TCK on our own proxy and support library, RUNS times over the embedded store and once over the memory store: tck-check.sh RUNS
# The seeds are 1 to RUNS; each run must pass, for a test that fails now and then proves nothing.
# LOAD=1: every other seed with all processors busy. Reports in out/tck-check. Wants bin/ built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
runs="${1:?usage: tck-check.sh RUNS, for example 3}"

# shellcheck source=ci/tck.sh
source ci/tck.sh

burners=()
quiet() {
  for pid in "${burners[@]}"; do kill "$pid" 2>/dev/null || true; done
  burners=()
}
trap quiet EXIT

failed=0
count=0
for seed in $(seq "$runs"); do
  loaded=""
  if [ "${LOAD:-}" = 1 ] && [ $((seed % 2)) = 0 ]; then
    loaded=", under load"
    for _ in $(seq "$(nproc)"); do
      (while :; do :; done) &
      burners+=($!)
    done
  fi
  stores=(embedded)
  [ "$seed" != 1 ] || stores+=(memory)
  for store in "${stores[@]}"; do
    name="seed-$seed-$store"
    out="out/tck-check/$name"
    start=$SECONDS
    status=0
    judge "$out" "$store" --seed "$seed" || status=$?
    count=$((count + 1))
    [ "$status" = 0 ] || failed=$((failed + 1))
    echo "== tck $name$loaded: $((SECONDS - start)) s$([ "$status" = 0 ] || echo ", FAILED ($status)"), $out/report.html"
  done
  quiet
done
echo "== tck: $((count - failed)) of $count runs passed"
[ "$failed" = 0 ]
