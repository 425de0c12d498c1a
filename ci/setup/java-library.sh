#!/usr/bin/env bash
# Fetches the published Java library that the protocols are compared with, into out/foreign/library.
# Maven keeps its own copy in ~/.m2, so only the first run needs a network.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
version=0.5.2
jar="$root/out/foreign/library/cloudstate-java-support-$version.jar"
if [ -s "$jar" ]; then
  exit 0
fi
mkdir -p "$(dirname "$jar")"
fetch() {
  # The plugin's version is pinned so that a new release of it changes nothing here.
  mvn "$@" --quiet --batch-mode -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
    -Dartifact="io.cloudstate:cloudstate-java-support:$version" \
    -DoutputDirectory="$(dirname "$jar")"
}
fetch --offline >/dev/null 2>&1 || fetch
test -s "$jar"
