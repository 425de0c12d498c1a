#!/usr/bin/env bash
# Installs buf, at the version that ci/tools/package-lock.json pins, into ci/tools/node_modules.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../tools"
# The install script of the package would only replace its launcher; nothing needs it.
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
node_modules/.bin/buf --version
