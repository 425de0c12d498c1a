#!/usr/bin/env bash
# Types the commands of a guide, as somebody would who has only it: in a fresh clone of what is committed here, with an empty home.
#
#   ci/action/try-guide.sh [GUIDE]        docs/tck/certify-your-library.md
#
# Blocks marked ```sh are typed one after the other into one shell, and fail the guide unless they end with status 0; with
# ```sh status=N the last command ends with N. A ```text block is what the commands before it print: each line of it must be in
# that output, where "…" stands for anything. Only the settings of npm (~/.npmrc) come along; GOMODCACHE and GOCACHE, where
# they are exported, spare what takes longest. It needs a network, and Git.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
guide="${1:-docs/tck/certify-your-library.md}"

work="$(mktemp -d)"
# Go's module cache is read-only.
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
mkdir "$work/home" "$work/blocks"
git clone --quiet --no-hardlinks "$root" "$work/clone"
if [ -e ~/.npmrc ]; then cp ~/.npmrc "$work/home"; fi

# One file a block, in order: 01.sh, 01.status, 01.text ... A text belongs to the last commands.
awk -v to="$work/blocks/" '
  /^```sh( status=[0-9]+)?$/ && !file {
    base = to sprintf("%02d", ++count)
    status = $2 == "" ? 0 : substr($2, 8)
    print status >(base ".status")
    file = base ".sh"
    next
  }
  /^```text$/ && !file { file = base ".text"; next }
  /^```$/ { file = ""; next }
  file { print >file }
' "$work/clone/$guide"
if [ ! -e "$work/blocks/01.sh" ]; then
  echo "try-guide: $guide has no sh block" >&2
  exit 2
fi

# The shell that everything is typed into; each block tells how it ended.
cat >"$work/typist" <<'END'
for block in "$1"/*.sh; do
  base="${block%.sh}"
  expected="$(<"$base.status")"
  sed 's/^/$ /' "$block"
  status=0
  if [ "$expected" = 0 ]; then
    set -e
    source "$block" > >(tee "$base.log") 2>&1
    set +e
  else
    source "$block" > >(tee "$base.log") 2>&1 || status=$?
  fi
  wait $!
  if [ "$status" != "$expected" ]; then
    echo "try-guide: the last command ended with status $status, not $expected" >&2
    exit 1
  fi
  if [ -e "$base.text" ]; then
    while IFS= read -r line; do
      pattern="$(sed -e 's/[][\.*^$+?(){}|/]/\\&/g' -e 's/…/.*/g' <<<"$line")"
      if ! grep --quiet --extended-regexp -e "$pattern" "$base.log"; then
        echo "try-guide: the guide shows what was not printed: $line" >&2
        exit 1
      fi
    done <"$base.text"
  fi
done
END
cd "$work/clone"
start=$SECONDS
env --ignore-environment HOME="$work/home" PATH="$PATH" LANG=C.UTF-8 TERM=dumb \
  ${GOMODCACHE:+GOMODCACHE="$GOMODCACHE"} ${GOCACHE:+GOCACHE="$GOCACHE"} bash "$work/typist" "$work/blocks" </dev/null || {
  echo "try-guide: $guide does not hold" >&2
  exit 1
}
echo "== $guide holds, tried in $((SECONDS - start)) s"
