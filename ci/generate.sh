#!/usr/bin/env bash
# Generates the Go code of the protocols: generate.sh write | check
#   write  replaces protocols/gen
#   check  generates into a temporary folder and fails, naming the files, when protocols/gen differs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode="${1:-}"
case "$mode" in write | check) ;; *) echo "usage: $0 write | check" >&2 && exit 2 ;; esac

fresh="$(mktemp -d)"
trap 'rm -rf "$fresh"' EXIT
ci/tools/node_modules/.bin/buf generate --output "$fresh"

if [ "$mode" = check ]; then
  if ! diff --recursive --brief "$fresh/protocols/gen" protocols/gen; then
    echo "protocols/gen is not what the .proto files generate: run 'make generate' and commit the result." >&2
    exit 1
  fi
  exit 0
fi

# Only what changed is written: files keep their time, so the build cache stays warm and others who build meanwhile see whole files.
(cd "$fresh/protocols/gen" && find . -type f) | while read -r file; do
  if ! cmp --silent "$fresh/protocols/gen/$file" "protocols/gen/$file"; then
    install -D --mode=644 "$fresh/protocols/gen/$file" "protocols/gen/$file"
    echo "generated protocols/gen/${file#./}"
  fi
done
(cd protocols/gen && find . -type f) | while read -r file; do
  if [ ! -e "$fresh/protocols/gen/$file" ]; then
    rm "protocols/gen/$file"
    echo "removed protocols/gen/${file#./}"
  fi
done
