#!/usr/bin/env bash
# Builds the foreign user function, fixtures/foreign/java, into out/foreign/java:
#   java -jar out/foreign/java/foreign-java.jar shopping-cart | tck-model
# Nothing is built while the sources are those of the last build. Maven is asked offline first: only a machine that never
# built it needs a network.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source="$root/fixtures/foreign/java"
output="$root/out/foreign/java"

inputs="$("$root/ci/digest.sh" fixtures/foreign/java protocols/example/shoppingcart protocols/tck/cloudstate/tck/model/eventsourced.proto)"
if [ -s "$output/foreign-java.jar" ] && [ "$(cat "$output/inputs" 2>/dev/null)" = "$inputs" ]; then
  exit 0
fi

rm -rf "$output" "$source/target"
mkdir -p "$output"
build() {
  (cd "$source" && mvn "$@" --quiet --batch-mode -Dstyle.color=never -Doutput="$output" package)
}
if ! build --offline >"$output/offline.log" 2>&1; then
  rm -rf "$source/target"
  build
fi
test -s "$output/foreign-java.jar"
rm -rf "$source/target"
printf '%s\n' "$inputs" >"$output/inputs"
