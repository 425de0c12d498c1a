#!/usr/bin/env bash
# Fetches Cassandra, the release that fixtures/servers/cassandra/pom.xml pins, into bin/tools/cassandra-VERSION: 66 MB of jars.
# Maven keeps its own copy in ~/.m2, so only the first run needs a network.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
pom="$root/fixtures/servers/cassandra/pom.xml"
version="$(sed -n '/cassandra-all/{n;s/.*<version>\(.*\)<\/version>.*/\1/p}' "$pom")"
output="$root/bin/tools/cassandra-$version"
if [ -s "$output/cassandra-all-$version.jar" ]; then
  exit 0
fi
echo "setup: fetching Cassandra $version"
# Into a folder beside it first: a fetch that was interrupted must not pass for a whole one.
partial="$output.partial"
fetch() {
  rm -rf "$partial"
  mvn "$@" --quiet --batch-mode -Dstyle.color=never --file "$pom" \
    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$partial"
}
fetch --offline >/dev/null 2>&1 || fetch
test -s "$partial/cassandra-all-$version.jar"
mv "$partial" "$output"
