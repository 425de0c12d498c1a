#!/usr/bin/env bash
# Installs Docker's engine from Debian's packages, as root or by sudo, where there is neither a daemon that answers nor one to start.
# It is not started: ci/docker.sh does that.
set -euo pipefail
# shellcheck source=ci/setup/debian.sh
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

if docker info >/dev/null 2>&1 || PATH="$PATH:/usr/sbin:/sbin" command -v dockerd >/dev/null; then
  exit 0
fi
if ! command -v apt-get >/dev/null || ! may_install; then
  echo "setup: there is no Docker daemon, and we may not install one. Start Docker, or as root on Debian: ci/setup/docker.sh" >&2
  exit 1
fi
echo "setup: installing docker.io"
# What the package does at its end, starting a service, is refused for the time being. A file of that name that is there stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
  trap 'as_root rm "$policy"' EXIT
fi
install docker.io
