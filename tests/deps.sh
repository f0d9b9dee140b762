#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# deps.sh [PACKAGE...]: installs what build and tests need and this machine lacks.
set -eu

debian='gcc g++ make pkg-config clang
	libapt-pkg-dev librpm-dev libdbus-1-dev libssh-dev libeconf-dev libjson-c-dev libcmocka-dev
	python3 python3-pytest python3-jsonschema groff-base mmdebstrap systemd-container openssh-client
	debian-archive-keyring ca-certificates gpg util-linux strace'
# shellcheck disable=SC2086 # a list of words
set -- $debian "$@"

missing() {
	for package; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
			grep -qx installed || printf '%s\n' "$package"
	done
}

if ! command -v dpkg-query >/dev/null; then
	echo 'make deps: this machine has no dpkg; install the libraries that INSTALL names' >&2
	exit 0
fi
list=$(missing "$@")
[ -n "$list" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "make deps: needs root to install:" "$list" >&2
	exit 1
fi
echo "make deps: installing" "$list"
apt-get -qq update
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $list >/dev/null
