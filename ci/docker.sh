#!/usr/bin/env bash
# Brings up a Docker daemon where none runs, and takes down the one that it brought up.
#
#   ci/docker.sh start    does nothing where a daemon answers; otherwise starts one on the usual socket. Wants root.
#   ci/docker.sh stop     stops the daemon that start started, with its containers; never another one
#
# Its images and containers are in /var/tmp/cloudstate-docker (CLOUDSTATE_DOCKER_ROOT), shared by all working copies; its log is
# there too. It leaves the machine's firewall alone: ports are published by a proxy process, and containers reach no other network.
set -euo pipefail
root="${CLOUDSTATE_DOCKER_ROOT:-/var/tmp/cloudstate-docker}"
pid_file="$root/dockerd.pid"
log="$root/dockerd.log"
PATH="$PATH:/usr/sbin:/sbin"

# ours prints the process id of the daemon that start started, if it lives.
ours() {
  local pid
  pid="$(cat "$pid_file" 2>/dev/null)" || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep --quiet --fixed-strings -- "--pidfile=$pid_file" && echo "$pid"
}

start() {
  if docker info >/dev/null 2>&1; then
    return
  fi
  "$(dirname "${BASH_SOURCE[0]}")/setup/docker.sh"
  if [ "$(id -u)" != 0 ]; then
    echo "docker: no daemon answers, and only root can start one: sudo ci/docker.sh start" >&2
    return 1
  fi
  mkdir -p "$root"
  # One at a time; who came second finds it running. The lock is not for the daemon to inherit.
  exec 9>"$root/start.lock"
  flock 9
  if ! docker info >/dev/null 2>&1; then
    # The score of the out-of-memory killer may not be lowered everywhere.
    setsid --fork dockerd --data-root="$root/data" --exec-root="$root/run" --pidfile="$pid_file" --oom-score-adjust=0 \
      --iptables=false --ip6tables=false --ip-masq=false </dev/null >"$log" 2>&1 9>&-
    for _ in $(seq 120); do
      ! docker info >/dev/null 2>&1 || return 0
      sleep 0.5
    done
    echo "docker: the daemon does not answer after a minute; the end of $log:" >&2
    tail -n 20 "$log" >&2
    return 1
  fi
}

stop() {
  local pid
  pid="$(ours)" || return 0
  kill "$pid"
  tail --pid="$pid" --follow /dev/null
}

case "${1:-}" in
start | stop) "$1" ;;
*)
  echo "usage: ci/docker.sh start | stop" >&2
  exit 2
  ;;
esac
