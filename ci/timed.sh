#!/usr/bin/env bash
# Runs a command and says how long it took: timed.sh NAME COMMAND...
# These lines show which step of `make test` spends the time.
set -euo pipefail
name="$1"
shift
start=$SECONDS
status=0
"$@" || status=$?
echo "== $name: $((SECONDS - start)) s$([ "$status" = 0 ] || echo ", FAILED")"
exit "$status"
