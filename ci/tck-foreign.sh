#!/usr/bin/env bash
# A user function that nobody here wrote, on the published Java library: its cart is driven behind the reference proxy, and the
# TCK judges its model, alone and behind the reference proxy with the embedded store. The library's known bugs are announced in
# fixtures/foreign/java/expected-failures.yaml. Wants bin/ and out/foreign/java built: `make tck-foreign` does it all.
# Report in out/tck-foreign. Both parts run, whatever the first one says.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
status=0

go test -count=1 -v ./fixtures/foreign || status=$?
bin/cloudstate-tck run --suite frontend --suite pair \
  --proxy builtin:reference --store embedded \
  --frontend 'exec:exec java -jar out/foreign/java/foreign-java.jar tck-model' \
  --expected-failures fixtures/foreign/java/expected-failures.yaml \
  --out out/tck-foreign || status=$?
exit "$status"
