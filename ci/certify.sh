#!/usr/bin/env bash
# Everything at full length, hours of it: what a release rests on. certify.sh [STEP...]; without steps, all of them.
# Each step leaves its log and its result in out/certify, so that a run can go on where one ended: name the steps that are
# missing. Writes ci/certified.md anew: the latest result of each step, with the commit that it was run on, and what the steps
# together say. Exit status 0: every step that ran now passed.
# Shorter, to try it out: set environment variables of the names in the table of full lengths. The summary tells which lengths were used.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

all=(test kill store-faults power-cuts full-disk outages fuzz fuzz-protocol tck tck-faults tck-stores matrix mutants tck-foreign guide bench)
declare -A full=(
  [KILLS]=60 [KILL_SEEDS]="1 2 3 4 5" [CUTS]=400 [DISK_FILLS]=40 [OUTAGES]=10 [FAULT_SECONDS]=180 [FAULT_SEEDS]="1 2 3"
  [CERTIFY_FUZZTIME]=60s [FUZZ_CONVERSATIONS]=600000 [TCK_RUNS]=30 [TCK_DISTURBANCES]=200
)
length=""
for name in "${!full[@]}"; do
  if [ "${!name:=${full[$name]}}" != "${full[$name]}" ]; then length=" (lengths changed)"; fi
done

# what says how long a step is made.
what() {
  case "$1" in
    test) echo "make test" ;;
    kill) echo "$KILLS kills of the proxy under load, and as many while clients try again by key, each with seeds $KILL_SEEDS" ;;
    store-faults) echo "two owners, and every fault, for $FAULT_SECONDS s each, on PostgreSQL, one Cassandra node and three; 20 kills of proxy and Cassandra in turn while clients try again by key; with seeds $FAULT_SEEDS" ;;
    power-cuts) echo "$CUTS power cuts of the embedded store" ;;
    full-disk) echo "the embedded store on a disk that is filled $DISK_FILLS times" ;;
    outages) echo "each database paused $OUTAGES times and killed as often under a running proxy" ;;
    fuzz) echo "every fuzz target for $CERTIFY_FUZZTIME" ;;
    fuzz-protocol) echo "$FUZZ_CONVERSATIONS conversations of the protocol fuzzer with each side, seven of eight mutated" ;;
    tck) echo "the TCK $TCK_RUNS times over the embedded store, every other time under load, and once over the memory store" ;;
    tck-faults) echo "the TCK's storms in each environment on the embedded store, and under kills and on lossy links on PostgreSQL, $TCK_DISTURBANCES disturbances a case" ;;
    matrix) echo "make matrix: every cell of tck.yaml, in containers" ;;
    guide) echo "the guide docs/tck/certify-your-library.md, typed as it stands on a clean machine" ;;
    bench) echo "make bench, each target held" ;;
    *) echo "make $1" ;;
  esac
}

perform() {
  case "$1" in
    test) make test ;;
    kill)
      for seed in $KILL_SEEDS; do
        CLOUDSTATE_KILLS="$KILLS" CLOUDSTATE_SEED="$seed" \
          go test -count=1 -v -timeout 60m -run '^(TestAcknowledgedIsDurable|TestRetriesTakeEffectOnce|TestRetriesOnPostgreSQL)$' ./reference-proxy/cmd/cloudstate-proxy
      done
      ;;
    store-faults)
      for seed in $FAULT_SEEDS; do
        for run in "1 ^TestFaultsOnPostgres$" "1 ^TestFaultsOnCassandra$" "3 ^TestFaultsOnCassandra$"; do
          CLOUDSTATE_FAULT_SECONDS="$FAULT_SECONDS" CLOUDSTATE_SEED="$seed" CLOUDSTATE_CASSANDRA_NODES="${run%% *}" \
            go test -count=1 -v -timeout 120m -run "${run#* }" ./reference-proxy/cmd/cloudstate-proxy
        done
        CLOUDSTATE_KILLS=20 CLOUDSTATE_SEED="$seed" \
          go test -count=1 -v -timeout 60m -run '^TestRetriesOnCassandra$' ./reference-proxy/cmd/cloudstate-proxy
      done
      ;;
    power-cuts) go test -count=1 -v -timeout 120m -run 'PowerLoss$' ./reference-proxy/journal/pebble -power-cuts "$CUTS" ;;
    outages)
      CLOUDSTATE_OUTAGES="$OUTAGES" go test -count=1 -v -timeout 60m -run '^TestOutage$' ./reference-proxy/cmd/cloudstate-proxy
      ;;
    full-disk)
      CLOUDSTATE_DISK_FILLS="$DISK_FILLS" \
        go test -count=1 -v -timeout 30m -run '^TestFullDisk$' ./reference-proxy/cmd/cloudstate-proxy
      ;;
    fuzz) ci/fuzz.sh "$CERTIFY_FUZZTIME" ;;
    fuzz-protocol) make fuzz-check CONVERSATIONS="$FUZZ_CONVERSATIONS" FUZZ_SEED=0 FUZZ_FOR=3h ;;
    tck) make build && LOAD=1 ci/tck-check.sh "$TCK_RUNS" ;;
    tck-faults)
      make build databases
      DISTURBANCES="$TCK_DISTURBANCES" ci/tck-faults.sh
      for environment in kills lossy-links; do
        ENVIRONMENT="$environment" DISTURBANCES="$TCK_DISTURBANCES" ci/tck-stores.sh postgres
      done
      ;;
    guide) ci/action/try-guide.sh ;;
    bench) make bench BENCH=--check ;;
    *) make "$1" ;;
  esac
}

# figures picks the lines of a step's log that say how much was done.
figures() {
  local pattern lines=12
  case "$1" in
    test) pattern='^== [a-z-]+: [0-9]+ s' ;;
    kill) pattern='seed [0-9]+: [0-9]+ kills' ;;
    full-disk) pattern='the disk was filled|read back|answers: ' ;;
    store-faults) pattern='(two owners|faults) on |seed [0-9]+: [0-9]+ kills' lines=60 ;;
    power-cuts) pattern='^--- (PASS|FAIL): |power cuts' ;;
    outages) pattern='[0-9]+ outages: ' ;;
    fuzz) pattern='^== [0-9]+ fuzz targets' ;;
    fuzz-protocol) pattern='^== fuzz' ;;
    tck) pattern='^== tck: ' ;;
    guide) pattern='^== docs/' ;;
    matrix) pattern='^SUITE|^(frontend|proxy|pair)|cells' lines=40 ;;
    tck-faults) pattern='operations on|violations$|kills: |^== tck ' lines=90 ;;
    tck-stores) pattern='^== tck over ' ;;
    tck-foreign) pattern='^== tck on ' ;;
    *) pattern='.' ;; # mutants and bench end with their summary
  esac
  { grep --extended-regexp "$pattern" "out/certify/$1.log" || true; } | tail --lines="$lines" |
    sed --regexp-extended -e 's/\x1b\[[0-9;]*m//g' -e 's/^ +/  /'
}

summary() {
  local step failed=0 missing=0 commits
  commits="$(cat out/certify/*.commit 2>/dev/null | sort --unique | wc --lines)"
  for step in "${all[@]}"; do
    if [ ! -e "out/certify/$step.status" ]; then
      missing=$((missing + 1))
    elif [ "$(cat "out/certify/$step.status")" != passed ]; then
      failed=$((failed + 1))
    fi
  done
  echo "# Certified"
  echo
  echo "What \`make certify\` found, written by it at $(date --utc '+%Y-%m-%d %H:%M UTC'). Not to be edited; the next run writes it anew."
  echo
  if [ "$failed" = 0 ] && [ "$missing" = 0 ] && [ "$commits" = 1 ] &&
    ! grep --quiet 'with changes' out/certify/*.commit && ! grep --quiet 'lengths changed' out/certify/*.what; then
    echo "**All ${#all[@]} steps passed at full length on one commit.**"
  else
    echo "**Not certified:** that takes all ${#all[@]} steps, passed at full length, on one commit without changes."
    echo "Failed: $failed. Not run: $missing. Commits: $commits."
  fi
  echo
  echo "Machine: $(uname --kernel-name --machine), $(nproc) processors ($(sed --quiet 's/^model name[^:]*: //p' /proc/cpuinfo | head --lines=1)),"
  echo "$(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo) of memory, $(go version | cut --delimiter=' ' --fields=3)."
  echo
  echo "| step | what | result | seconds | commit | began |"
  echo "|---|---|---|---|---|---|"
  for step in "${all[@]}"; do
    if [ -e "out/certify/$step.status" ]; then
      echo "| $step | $(cat "out/certify/$step.what") | $(cat "out/certify/$step.status") | $(cat "out/certify/$step.seconds") | $(cat "out/certify/$step.commit") | $(cat "out/certify/$step.began") |"
    else
      echo "| $step | $(what "$step") | not run | | | |"
    fi
  done
  for step in "${all[@]}"; do
    if [ -e "out/certify/$step.status" ]; then
      printf '\n## %s\n\n```\n%s\n```\n' "$step" "$(figures "$step")"
    fi
  done
}

steps=("$@")
if [ ${#steps[@]} = 0 ]; then steps=("${all[@]}"); fi
for step in "${steps[@]}"; do
  case " ${all[*]} " in
    *" $step "*) ;;
    *) echo "certify: there is no step $step; the steps are: ${all[*]}" >&2 && exit 2 ;;
  esac
done

mkdir -p out/certify
failed=()
for step in "${steps[@]}"; do
  echo "== certify $step: $(what "$step")"
  record="out/certify/$step"
  rm --force "$record".*
  echo "$(what "$step")$length" >"$record.what"
  date --utc '+%Y-%m-%d %H:%M' >"$record.began"
  # The summary that this program wrote is no change of what it judges.
  echo "$(git rev-parse --short HEAD)$(git diff --quiet HEAD -- . ':!ci/certified.md' || echo " with changes")" >"$record.commit"
  start=$SECONDS
  # A process of its own: "set -e" holds in it, which in a function called from "if" it would not.
  result=passed
  set +e
  (
    set -e
    perform "$step"
  ) >"$record.log" 2>&1
  code=$?
  set -e
  if [ "$code" != 0 ]; then
    result=FAILED
    failed+=("$step")
    tail --lines=40 "$record.log"
  fi
  echo $((SECONDS - start)) >"$record.seconds"
  echo "$result" >"$record.status"
  echo "== certify $step: $result in $(cat "$record.seconds") s, $record.log"
  summary >out/certify/certified.md
  cp out/certify/certified.md ci/certified.md
done

if [ ${#failed[@]} != 0 ]; then
  echo "certify: failed: ${failed[*]}. Once mended: make certify STEPS=\"${failed[*]}\"" >&2
  exit 1
fi
