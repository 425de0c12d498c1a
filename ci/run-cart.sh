#!/usr/bin/env bash
# The shopping cart behind the proxy, until Ctrl-C. HTTP_PORT, MANAGEMENT_PORT and USER_FUNCTION_PORT change the ports.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export USER_FUNCTION_PORT="${USER_FUNCTION_PORT:-8080}" CLOUDSTATE_DATA_DIR="${CLOUDSTATE_DATA_DIR:-out/cart}"
mkdir -p "$(dirname "$CLOUDSTATE_DATA_DIR")"

HOST=127.0.0.1 PORT="$USER_FUNCTION_PORT" bin/shoppingcart &
cart=$!
trap 'kill "$cart" 2>/dev/null || true; wait' EXIT
bin/cloudstate-proxy
