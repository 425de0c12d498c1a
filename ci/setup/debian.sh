# Debian's packages, as root or by sudo. Read by the scripts of this folder that install some.
# shellcheck shell=bash

# as_root COMMAND...: runs it as root; fails where a password would be asked for.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# may_install: whether we may install packages.
may_install() { as_root true 2>/dev/null; }

# install PACKAGE...: installs them without what they only recommend. The lists of packages may be missing, or so old that what they name is gone.
install() {
  get "$@" || { as_root apt-get update --quiet=2 && get "$@"; }
}
get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends "$@" >/dev/null; }
