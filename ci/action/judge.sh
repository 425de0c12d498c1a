#!/usr/bin/env bash
# Builds the conformance kit from the checkout that this file is in, and judges what the environment names, from the current
# directory: the whole of the GitHub Action beside it, and the recipe for any other CI.
#
#   TCK_FRONTEND, TCK_PROXY    the targets, as --frontend and --proxy take them; at least one
#   TCK_STORE                  the store that the proxy is started with
#   TCK_EXPECTED_FAILURES      files of expected failures, one a line
#   TCK_ARGUMENTS              further arguments of `cloudstate-tck run`, one a line, letter by letter: nothing is expanded
#   TCK_OUT                    where the report goes (out/tck)
#
# Exit status: the kit's (0 passed, 1 failed, 2 wrong use, 3 incomplete); 2, too, when it cannot be built. On GitHub the summary
# is added to the job's (GITHUB_STEP_SUMMARY), and "report" and "conclusion" are set (GITHUB_OUTPUT). Needs Go.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
out="${TCK_OUT:-out/tck}"

# conclude sets the outputs and ends.
conclude() {
  if [ -n "${GITHUB_OUTPUT:-}" ]; then
    printf 'report=%s\nconclusion=%s\n' "$out" "$1" >>"$GITHUB_OUTPUT"
  fi
  exit "$2"
}

case "$out" in
  *$'\n'*) # It would be a line of GITHUB_OUTPUT of its own.
    echo "judge: TCK_OUT (the input out) has more than one line" >&2
    exit 2
    ;;
esac
if [ -z "${TCK_FRONTEND:-}${TCK_PROXY:-}" ]; then
  echo "judge: nothing to judge; set TCK_FRONTEND or TCK_PROXY (the inputs frontend and proxy)" >&2
  conclude error 2
fi

# The kit looks for builtin targets beside itself.
programs=(./tck/cmd/cloudstate-tck)
if [ "${TCK_PROXY:-}" = builtin:reference ]; then programs+=(./reference-proxy/cmd/cloudstate-proxy); fi
if [ "${TCK_FRONTEND:-}" = builtin:go ]; then programs+=(./support-go/tckmodel/cmd/cloudstate-tck-model); fi
if ! (
  cd "$root"
  mkdir -p bin
  GOWORK=off GOFLAGS='' CGO_ENABLED=0 go build -trimpath -buildvcs=false -o bin/ "${programs[@]}"
); then
  echo "judge: the kit cannot be built from $root; it needs Go 1.26, or a newer Go than 1.21 that may fetch it" >&2
  conclude error 2
fi

arguments=(--out="$out")
if [ -n "${TCK_FRONTEND:-}" ]; then arguments+=(--frontend="$TCK_FRONTEND"); fi
if [ -n "${TCK_PROXY:-}" ]; then arguments+=(--proxy="$TCK_PROXY"); fi
if [ -n "${TCK_STORE:-}" ]; then arguments+=(--store="$TCK_STORE"); fi
while IFS= read -r file; do
  if [ -n "$file" ]; then arguments+=(--expected-failures="$file"); fi
done <<<"${TCK_EXPECTED_FAILURES:-}"
while IFS= read -r argument; do
  if [ -n "$argument" ]; then arguments+=("$argument"); fi
done <<<"${TCK_ARGUMENTS:-}"

# A summary that is there afterwards is of this run.
rm -f "$out/summary.md"
status=0
"$root/bin/cloudstate-tck" run "${arguments[@]}" || status=$?
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -e "$out/summary.md" ]; then
  cat "$out/summary.md" >>"$GITHUB_STEP_SUMMARY"
fi
case "$status" in
  0) conclude passed 0 ;;
  1) conclude failed 1 ;;
  3) conclude incomplete 3 ;;
  *) conclude error "$status" ;;
esac
