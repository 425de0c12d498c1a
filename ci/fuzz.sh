#!/usr/bin/env bash
# Runs every fuzz target of the repository for a while each: fuzz.sh TIME
# (go test -fuzz takes one target of one package at a time.)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fuzztime="${1:?usage: fuzz.sh TIME, for example 10s}"

count=0
while IFS=: read -r file target; do
  echo "== $(dirname "$file") $target"
  go test "./$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime"
  count=$((count + 1))
done < <(git ls-files --cached --others --exclude-standard '*_test.go' |
  xargs grep --with-filename --only-matching --no-messages --extended-regexp '^func Fuzz[A-Za-z0-9_]*' | sed 's/:func /:/' | sort)
echo "== $count fuzz targets, $fuzztime each"
