# How tck-check.sh, tck-stores.sh and tck-faults.sh run the TCK. Read by them.
# shellcheck shell=bash

# judge OUT STORE FLAG...: runs the TCK on our own proxy and support library over a store; reports and console.txt are in the folder OUT. Returns its exit status, and
# shows the console unless that is 0. A store in memory is not judged on what outlives the proxy, so there "incomplete" passes when every case that applies passed.
judge() {
  local out="$1" store="$2" status=0
  shift 2
  mkdir -p "$out"
  rm -f "$out/report.json"
  bin/cloudstate-tck run --proxy builtin:reference --frontend builtin:go --store "$store" --out "$out" "$@" >"$out/console.txt" 2>&1 || status=$?
  # 3: nothing failed, but not everything that applies was judged; or a report could not be written, which is said.
  if [ "$store" = memory ] && [ "$status" = 3 ] && ! grep --quiet '^cloudstate-tck: ' "$out/console.txt" && grep --quiet ' 0 in error, ' "$out/console.txt" &&
    ! grep ' cases* not run ' "$out/console.txt" | grep --quiet --invert-match 'left out by --focus'; then
    status=0
  fi
  if [ "$status" != 0 ]; then
    cat "$out/console.txt"
  fi
  return "$status"
}
