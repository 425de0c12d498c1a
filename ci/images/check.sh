# Starts an image as it is meant to run and sees it answer. Read by ci/images.sh.
# shellcheck shell=bash

# run IMAGE ARGUMENT...: starts a container as in production, to be removed at the end. Options for docker run go into $options.
containers=()
run() {
  local image="$1"
  shift
  container="$(docker run --detach --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
    "${options[@]}" "cloudstate/$image:local" "$@")"
  containers+=("$container")
  options=()
}
remove() { [ "${#containers[@]}" = 0 ] || docker rm --force --volumes "${containers[@]}" >/dev/null; }

address() { docker inspect --format '{{.NetworkSettings.IPAddress}}' "$1"; }

# ready PORT: whether the proxy whose management port that is serves a user function.
ready() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf 'GET /ready HTTP/1.0\r\n\r\n' >&3
    grep --quiet '^HTTP/1.. 200' <&3
  ) 2>/dev/null
}

# check NAME: starts the image and a proxy that it is ready for: behind it the function, below it the database.
check() {
  local name="$1" function=go-function container database port began
  local -a options=() store=(--store=memory)
  began="$(date +%s)"
  case "$name" in
  *-function) function="$name" ;;
  reference-proxy) store=(--store=embedded) ;;
  cassandra)
    run cassandra
    store=(--store=cassandra "--cassandra-hosts=$(address "$container")" --cassandra-replication=1 --store-auto-migrate)
    ;;
  postgres)
    run postgres
    store=(--store=postgres "--postgres-url=postgres://postgres@$(address "$container"):5432/postgres" --store-auto-migrate)
    ;;
  esac
  run "$function"
  options=(--publish 127.0.0.1::8558)
  run reference-proxy "--user-function-host=$(address "$container")" "${store[@]}"
  port="$(docker port "$container" 8558 | sed 's/.*://; q')"
  for _ in $(seq 240); do
    if ready "$port"; then
      echo "images: $name answers after $(($(date +%s) - began)) s"
      remove
      containers=()
      return
    fi
    sleep 0.5
  done
  echo "images: $name does not answer; the end of what each container wrote:" >&2
  for container in "${containers[@]}"; do
    docker logs --tail 20 "$container" >&2
  done
  return 1
}
