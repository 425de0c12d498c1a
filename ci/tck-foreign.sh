#!/usr/bin/env bash
# User functions that nobody here wrote, on the published Java, Node and Python libraries. Their carts are driven behind the
# reference proxy, and the TCK judges their models, alone and behind the reference proxy with the embedded store. The libraries'
# known bugs are announced in fixtures/foreign/*/expected-failures.yaml. Wants bin/ and out/foreign built: `make tck-foreign` does it all.
# Reports in out/tck-foreign. All parts run, whatever the first one says.
#
#   ci/tck-foreign.sh [LANGUAGE...]   the TCK on these only, and no carts
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

declare -A function=(
  [java]='java -jar out/foreign/java/foreign-java.jar tck-model'
  [node]='node out/foreign/node/main.js tck-model'
  [python]='python3 out/foreign/python/main.py tck-model'
)
status=0
[ $# -gt 0 ] || go test -count=1 -v ./fixtures/foreign || status=$?
[ $# -gt 0 ] || set -- java node python

# The Python library serves ten instances at a time, and a storm of commands has more: they wait until the proxy lets others go. It does so
# later than the case waits that wants to see it after 100 ms.
export CLOUDSTATE_PASSIVATION_TIMEOUT=14s

# At the same time: what fails as announced is mostly silence that is waited for. On a busy machine a cold JVM needs more than a
# case's usual time limit for a hundred instances.
out=out/tck-foreign
mkdir -p "$out"
declare -A judge=()
trap 'running="$(jobs -pr)"; [ -z "$running" ] || kill $running' EXIT
for language in "$@"; do
  bin/cloudstate-tck run --suite frontend --suite pair --timeout 15s \
    --proxy builtin:reference --store embedded \
    --frontend "exec:exec ${function[$language]}" \
    --expected-failures "fixtures/foreign/$language/expected-failures.yaml" \
    --out "$out/$language" >"$out/$language.txt" 2>&1 &
  judge[$language]=$!
done
for language in "$@"; do
  wait "${judge[$language]}" || status=$?
  cat "$out/$language.txt"
  awk -v language="$language" '/applicable MUSTs/ { print "== tck on the " language " library:" $0 }' "$out/$language.txt"
done
exit "$status"
