#!/usr/bin/env bash
# Holds the protocols against the last landed ones: a change that an existing library would notice fails.
# BREAKING_AGAINST names another commit to compare with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base="${BREAKING_AGAINST:-}"
if [ -z "$base" ]; then
  base=main
  if git rev-parse --verify --quiet origin/main >/dev/null; then base=origin/main; fi
  # On the landed commit itself, as in CI, there is nothing to compare but with the commit before it.
  if [ "$(git rev-parse "$base")" = "$(git rev-parse HEAD)" ] && git diff --quiet HEAD -- protocols &&
    git rev-parse --verify --quiet HEAD^ >/dev/null; then
    base=HEAD^
  fi
fi
commit="$(git rev-parse --verify "$base^{commit}")"

if [ -z "$(git ls-tree --name-only "$commit" buf.yaml)" ]; then
  echo "buf breaking: $base holds no protocols yet, so there is nothing to break."
  exit 0
fi

landed="$(mktemp -d)"
trap 'rm -rf "$landed"' EXIT
git archive "$commit" buf.yaml protocols | tar --extract --directory "$landed"
ci/tools/node_modules/.bin/buf breaking --against "$landed"
echo "buf breaking: compatible with $base ($(git rev-parse --short "$commit"))."
