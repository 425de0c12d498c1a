#!/usr/bin/env bash
# Installs buf, at the version that ci/tools/package-lock.json pins, into ci/tools/node_modules.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../tools"
# Not `npm ci`: that wants the packages of every platform in the lock file, and not every registry carries them all. This
# takes what the lock file pins, with its hash, and writes nothing back.
# The install script of the package would only replace its launcher; nothing needs it.
npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
node_modules/.bin/buf --version
