#!/usr/bin/env bash
# The TCK on our own proxy and support library over each store, on real databases: tck-stores.sh [STORE ...]
# One line a store says how it went; the exit status is 1 when any failed. Reports in out/tck-stores/STORE. Wants bin/ built.
# LEASE is how long a proxy that was killed keeps its entities from its successor, which waits for it some thirty times; a database that is slower than that
# to renew a lease has cases fail.
# FOCUS chooses cases, as --focus does: FOCUS=es,ve,sto. ENVIRONMENT and DISTURBANCES say what befalls the pair meanwhile, as --environment and --disturbances do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stores=("$@")
[ $# -gt 0 ] || stores=(memory embedded postgres cassandra)

# shellcheck source=ci/tck.sh
source ci/tck.sh

# A busy database is slower than a disk.
patience=30s
# How long a database may take to start, in tenths of a second.
start_limit=3000
# Keyspaces cost Cassandra memory.
cassandra_heap=1024

server="" said=""
end_server() {
  if [ -n "$server" ]; then
    kill -INT "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=""
  fi
}
trap end_server EXIT

# serve OUT ARGUMENTS: starts a database and waits until it has said how to reach it. Signals take it away and bring it back.
serve() {
  said="$1/server.txt"
  shift
  bin/testserver "$@" >"$said" 2>"$said.err" &
  server=$!
  for _ in $(seq "$start_limit"); do
    if [ -s "$said" ]; then return; fi
    if ! kill -0 "$server" 2>/dev/null; then break; fi
    sleep 0.1
  done
  cat "$said.err" >&2
  return 1
}

# told SIGNAL WORD: a shell command that tells the database, and waits until it has said that it did so. It fails when there is no database any more.
told() { echo "kill -$1 $server && until [ \"\$(tail -n 1 '$said')\" = $2 ]; do kill -0 $server && sleep 0.05 || exit; done"; }

failed=0
for store in "${stores[@]}"; do
  out="out/tck-stores/$store"
  rm -rf "$out"
  mkdir -p "$out"
  env=() flags=(${FOCUS:+--focus "$FOCUS"} --environment "${ENVIRONMENT:-plain}" --disturbances "${DISTURBANCES:-25}")
  case "$store" in
  memory | embedded) ;;
  postgres)
    serve "$out" postgres
    env=(CLOUDSTATE_STORE_AUTO_MIGRATE=true "CLOUDSTATE_LEASE_DURATION=${LEASE:-1s}" "CLOUDSTATE_POSTGRES_URL=$(head -1 "$out/server.txt")")
    flags+=(--store-address "$(sed -n '1s/^[^@]*@\([^/]*\)\/.*/\1/p' "$out/server.txt")")
    ;;
  cassandra)
    serve "$out" cassandra --heap-mb "$cassandra_heap"
    env=(CLOUDSTATE_STORE_AUTO_MIGRATE=true "CLOUDSTATE_LEASE_DURATION=${LEASE:-3s}" CLOUDSTATE_CASSANDRA_REPLICATION=1
      "CLOUDSTATE_CASSANDRA_HOSTS=$(sed -n 's/^addresses: *//p' "$out/server.txt")"
      "CLOUDSTATE_CASSANDRA_PORT=$(sed -n 's/^port: *//p' "$out/server.txt")"
      "CLOUDSTATE_CASSANDRA_DATACENTER=$(sed -n 's/^datacentre: *//p' "$out/server.txt")")
    ;;
  *)
    echo "tck-stores.sh: no store $store; choose among memory, embedded, postgres, cassandra" >&2
    exit 2
    ;;
  esac
  if [ -n "$server" ]; then
    flags+=(--few-namespaces --store-away "$(told USR1 away)" --store-back "$(told USR2 back)")
  fi
  start=$SECONDS
  status=0
  (
    [ "${#env[@]}" = 0 ] || export "${env[@]}"
    judge "$out" "$store" "${flags[@]}" --timeout "$patience" --seed "${SEED:-1}"
  ) || status=$?
  end_server
  [ "$status" = 0 ] || failed=$((failed + 1))
  sed -n '/pair\/storm environment/,/ violations$/p' "$out/console.txt"
  echo "== tck over $store: $([ "$status" = 0 ] && echo passed || echo "FAILED ($status)"), $(sed -n 's/^ *\([0-9]* cases: .*\)$/\1/p' "$out/console.txt") ($((SECONDS - start)) s), $out/report.html"
done
[ "$failed" = 0 ]
