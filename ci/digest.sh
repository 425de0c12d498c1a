#!/usr/bin/env bash
# Prints one digest of files and of all files in folders, names included: what is built from them need not be built again
# while it is the same. Paths are relative to the repository. What people read (*.md), what only the TCK reads (*.yaml) and
# what a build leaves behind (target, node_modules) does not count.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
find "$@" \( -name target -o -name node_modules -o -name __pycache__ \) -prune -o -type f -not -name '*.md' -not -name '*.yaml' -print0 |
  sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
