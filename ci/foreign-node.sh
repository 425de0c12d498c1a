#!/usr/bin/env bash
# Builds the foreign user function, fixtures/foreign/node, into out/foreign/node:
#   node out/foreign/node/main.js shopping-cart | tck-model
# Nothing is built while the sources are those of the last build. npm keeps its own copy of what it fetched, so only a machine
# that never built it needs a network.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source="$root/fixtures/foreign/node"
output="$root/out/foreign/node"
model=protocols/tck/cloudstate/tck/model/eventsourced.proto

inputs="$("$root/ci/digest.sh" ci/foreign-node.sh fixtures/foreign/node protocols/example/shoppingcart "$model")"
if [ "$(cat "$output/inputs" 2>/dev/null)" = "$inputs" ]; then
  exit 0
fi
if ! command -v npm >/dev/null || [ "$(node --version | sed 's/^v//; s/\..*//')" -lt 20 ]; then
  echo "foreign-node: Node.js 20 or newer with npm is needed." >&2
  exit 1
fi
test -x "$root/ci/tools/node_modules/.bin/buf" || "$root/ci/setup/buf.sh" >/dev/null

rm -rf "$output"
mkdir -p "$output/grpc"
cp "$source"/{*.js,package.json,package-lock.json,.npmrc} "$output"
cp "$source"/grpc/* "$output/grpc"
cd "$output"
# The install script of the library would download a protoc, for the two things that are done below without it.
npm ci --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel=error >/dev/null

library=node_modules/cloudstate
# The library reads Google's .proto files from beside its protoc. protobufjs knows them all but this one, which it has as a file.
mkdir -p "$library/protoc/include/google/protobuf"
cp node_modules/protobufjs/google/protobuf/descriptor.proto "$library/protoc/include/google/protobuf"

mkdir -p "proto/$(dirname "${model#protocols/tck/}")"
cp -r "$root/protocols/example/shoppingcart" proto
cp "$root/$model" "proto/${model#protocols/tck/}"
# The descriptor set that the library answers discovery with. What the services import is the library's: its entity_key has
# the number of its time.
mkdir sources
cp -r "$library/proto/cloudstate" "$library/proto/google" proto/. sources
"$root/ci/tools/node_modules/.bin/buf" build sources --path sources/shoppingcart --path "sources/${model#protocols/tck/}" \
  --exclude-source-info --as-file-descriptor-set --output user-function.desc#format=bin
rm -r sources
printf '%s\n' "$inputs" >"$output/inputs"
