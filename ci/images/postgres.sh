#!/bin/sh
# Starts PostgreSQL on all addresses, on the cluster in PGDATA, which is made if there is none.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --auth=trust --encoding=UTF8 --locale=C --no-instructions
  echo 'host all all all trust' >>"$PGDATA/pg_hba.conf"
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
