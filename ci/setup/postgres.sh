#!/usr/bin/env bash
# Installs what the database servers of the tests (fixtures/servers) need of the system: PostgreSQL's server programs and iproute2.
# From Debian's packages, as root or by sudo; elsewhere it says what is missing. The system's own cluster is neither made nor started.
set -euo pipefail
# shellcheck source=ci/setup/debian.sh
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

missing=()
if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && ! command -v initdb >/dev/null; then
  missing+=(postgresql)
fi
if ! PATH="$PATH:/usr/sbin:/sbin" command -v ip >/dev/null; then
  missing+=(iproute2)
fi
[ "${#missing[@]}" -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "setup: ${missing[*]} missing (the tests run real databases), and there is no apt-get to install from." \
    "Install PostgreSQL 13 or newer with its server programs on the PATH, and iproute2." >&2
  exit 1
fi
if ! may_install; then
  echo "setup: ${missing[*]} missing (the tests run real databases), and we may not install packages." \
    "As root: ci/setup/postgres.sh" >&2
  exit 1
fi

echo "setup: installing ${missing[*]}"
case " ${missing[*]} " in
*" postgresql "*)
  # The package of the server makes a cluster and starts it unless this file says otherwise. Only for now: what its owner
  # installs later is the owner's business.
  conf=/etc/postgresql-common/createcluster.conf
  install postgresql-common
  as_root cp --preserve "$conf" "$conf.cloudstate"
  trap 'as_root mv "$conf.cloudstate" "$conf"' EXIT
  as_root sed --in-place '/create_main_cluster/d; $a create_main_cluster = false' "$conf"
  ;;
esac
install "${missing[@]}"
