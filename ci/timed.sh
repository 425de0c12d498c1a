#!/usr/bin/env bash
# Runs a command and says how long it took: timed.sh NAME COMMAND...
# CI gives `make test` 90 minutes on 2 cores; these lines show who spends them.
set -euo pipefail
name="$1"
shift
start=$SECONDS
status=0
"$@" || status=$?
echo "== $name: $((SECONDS - start)) s$([ "$status" = 0 ] || echo ", FAILED")"
exit "$status"
