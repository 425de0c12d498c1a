#!/usr/bin/env bash
# Builds the foreign user function, fixtures/foreign/python, into out/foreign/python:
#   python3 out/foreign/python/main.py shopping-cart | tck-model
# Nothing is built while the sources, and the version of Python, are those of the last build. pip keeps its own copy of what it
# fetched; it still asks its index, so a build needs a network.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source="$root/fixtures/foreign/python"
output="$root/out/foreign/python"
model=protocols/tck/cloudstate/tck/model/eventsourced.proto
eventing=protocols/frontend/cloudstate/eventing.proto

version="$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true)"
inputs="$version $("$root/ci/digest.sh" ci/foreign-python.sh fixtures/foreign/python protocols/example/shoppingcart "$model" "$eventing")"
if [ "$(cat "$output/inputs" 2>/dev/null)" = "$inputs" ]; then
  exit 0
fi
if ! [[ "$version" =~ ^3\.(9|10|11|12)$ ]] || ! python3 -m pip --version >/dev/null 2>&1; then
  echo "foreign-python: Python 3.9 to 3.12 with pip is needed (the library's gRPC has no builds for others)," \
    "not ${version:-none} (Debian: apt-get install python3-pip)." >&2
  exit 1
fi

rm -rf "$output"
mkdir -p "$output/generated"
cp "$source"/*.py "$output"
cd "$output"
install() { # install FOLDER FILE
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary :all: --require-hashes \
    --target "$1" --requirement "$source/$2"
}
install lib requirements.txt
install protoc requirements-build.txt

mkdir -p "proto/$(dirname "${model#protocols/tck/}")"
cp -r "$root/protocols/example/shoppingcart" proto
cp "$root/$model" "proto/${model#protocols/tck/}"
cp "$root/$eventing" proto/cloudstate
# The library has entity_key as generated code only. The code is turned back into a descriptor, so that what imports it is
# compiled against the library's, with the number of its time.
PYTHONPATH=lib python3 - >library.desc <<'PYTHON'
import sys
from cloudstate import entity_key_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

files = FileDescriptorSet()
entity_key_pb2.DESCRIPTOR.CopyToProto(files.file.add())
sys.stdout.buffer.write(files.SerializeToString())
PYTHON
mapfile -t sources < <(cd proto && find . -name '*.proto' -printf '%P\n' | sort)
# It warns of imports that nothing uses; what else it says is shown.
PYTHONPATH=protoc:lib python3 -m grpc_tools.protoc --descriptor_set_in=library.desc \
  --proto_path=proto --proto_path=lib --proto_path=protoc/grpc_tools/_proto --python_out=generated "${sources[@]}" \
  2> >(grep -v ': warning: Import .* is unused' >&2)
rm -r proto protoc library.desc
python3 -m compileall -q . # Where it runs, the folder may be read-only.
printf '%s\n' "$inputs" >"$output/inputs"
