#!/usr/bin/env bash
# Builds the local images cloudstate/NAME:local, without pulling anything: what is in them comes from this tree and from what
# this machine has installed (make setup). Every image has a Dockerfile in ci/images, whose comment says how it is used and when it is ready.
#
#   ci/images.sh [NAME...]            builds all, or these; those whose ingredients have not changed stay as they are
#   ci/images.sh --check [NAME...]    builds them, starts each as it is meant to run in production (no root, read-only), and sees it answer
#
# Programs that are not static bring their libraries along from this machine, so it has to be a Linux with glibc; PostgreSQL
# is looked for where Debian has it. A daemon is started if none runs (ci/docker.sh), and stays.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
all=(reference-proxy go-function java-function node-function python-function cassandra postgres)

# shellcheck source=ci/images/ingredients.sh
source ci/images/ingredients.sh
# shellcheck source=ci/images/check.sh
source ci/images/check.sh

# build NAME: builds the image, and before it the one that it is on, unless it has been built of the same things.
build() {
  local name="$1" parent context root inputs began
  parent="$(sed -n 's/^FROM cloudstate\/\(.*\):local$/\1/p' "ci/images/$name.Dockerfile")"
  [ -z "$parent" ] || build "$parent"
  context="out/images/$name"
  root="$PWD/$context/root"
  began="$(date +%s)"
  inputs="$({
    sha256sum "ci/images/$name".*
    declare -f "stage_$name" "ingredients_$name" put put_libraries shared_libraries go_program build
    [ -z "$parent" ] || docker image inspect --format '{{.Id}}' "cloudstate/$parent:local"
    "ingredients_$name"
  } | sha256sum | cut -d' ' -f1)"
  # What the base image has is looked up when the others are put together.
  if [ "$(docker image inspect --format '{{index .Config.Labels "cloudstate.inputs"}}' "cloudstate/$name:local" 2>/dev/null)" = "$inputs" ] &&
    { [ "$name" != base ] || [ -d "$root" ]; }; then
    return
  fi
  rm -rf "$context"
  mkdir -p "$root"
  "stage_$name"
  DOCKER_BUILDKIT=0 docker build --quiet --label "cloudstate.inputs=$inputs" --tag "cloudstate/$name:local" \
    --file "ci/images/$name.Dockerfile" "$context" 2>&1 >/dev/null | sed '/^DEPRECATED: The legacy builder/,/^$/d' >&2
  [ "$name" = base ] || rm -rf "$context"
  echo "images: $name, $(docker image inspect --format '{{.Size}}' "cloudstate/$name:local" | awk '{printf "%d", $1 / 1e6}') MB, built in $(($(date +%s) - began)) s"
}

checking=false
if [ "${1:-}" = --check ]; then
  checking=true
  shift
fi
[ $# -gt 0 ] || set -- "${all[@]}"
for name in "$@"; do
  if [ ! -e "ci/images/$name.Dockerfile" ]; then
    echo "images: there is no image $name; there are ${all[*]}." >&2
    exit 2
  fi
done
ci/docker.sh start
trap remove EXIT
for name in "$@"; do
  build "$name"
done
# Those that others have replaced. Somebody else may be at the same thing.
docker image prune --force --filter label=cloudstate.inputs >/dev/null || true
if "$checking"; then
  build reference-proxy
  build go-function
  for name in "$@"; do
    check "$name"
  done
fi
