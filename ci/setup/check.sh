#!/usr/bin/env bash
# Says which of the programs that the build starts from are missing or too old, and what to install.
# Everything else is installed by the other scripts of this folder.
set -euo pipefail

failed=0

# need NAME WHY HOW: NAME must be on the PATH.
need() {
  if ! command -v "$1" >/dev/null; then
    echo "setup: $1 is missing ($2). Install $3." >&2
    failed=1
  fi
}

# at_least NAME HAVE WANT: the major.minor version HAVE must not be below WANT.
at_least() {
  if [ "$(printf '%s\n%s\n' "$3" "$2" | sort -V | head -n 1)" != "$3" ]; then
    echo "setup: $1 is version $2; at least $3 is needed." >&2
    failed=1
  fi
}

need go "builds and tests everything" "Go 1.26 or newer"
need gcc "go test -race links with it" "gcc (Debian: apt-get install gcc libc6-dev)"
need git "buf compares the protocols with an earlier commit" "git"
need npm "fetches buf, and the foreign user function on the published Node library" "Node.js 20 or newer with npm"
need java "runs the foreign user function" "a JDK 17 (Debian: apt-get install openjdk-17-jdk-headless)"
need python3 "runs the foreign user function on the published Python library" "Python 3.9 to 3.12 with pip (Debian: apt-get install python3-pip)"
need mvn "fetches and builds the foreign user function" "Maven 3.8 or newer (Debian: apt-get install maven)"
[ "$failed" = 0 ] || exit 1

at_least go "$(go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')" 1.26
at_least node "$(node --version | sed 's/^v//')" 20
at_least java "$(java -version 2>&1 | sed -n '1s/^[^"]*"\([0-9.]*\).*/\1/p')" 17
exit "$failed"
