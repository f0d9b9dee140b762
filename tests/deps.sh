#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# deps.sh GOAL: what `make GOAL` needs and this machine lacks, by its Debian packages.
# For deps, check and demo it is installed; for the others one line names it, and the
# exit status is 1.
set -eu
goal=$1

debian='gcc g++ make pkg-config libapt-pkg-dev libdbus-1-dev libssh-dev libeconf-dev libjson-c-dev'
build="$debian librpm-dev"
units='libcmocka-dev'
roots='python3 mmdebstrap openssh-client debian-archive-keyring ca-certificates gpg util-linux'
hosts="$roots systemd-container"
packing='build-essential debhelper'

case $goal in
deps | check) wanted="$build $units $hosts $packing clang python3-pytest python3-jsonschema groff-base strace git nftables" ;;
demo | bench) wanted="$build $hosts" ;;
deb) wanted="$debian $units $packing" ;;
rpm) wanted=$roots ;;
lint) wanted="$build clang clang-tidy shellcheck" ;;
fuzz) wanted="$build clang libclang-rt-dev" ;;
check-asan) wanted="$build $units" ;;
check-faults) wanted="$build python3" ;;
check-valgrind) wanted="$build $units valgrind" ;;
*) echo "deps.sh: unknown goal: $goal" >&2; exit 2 ;;
esac

is_there() {
	case $1 in
	# What is called by its name may as well come from elsewhere.
	gcc | g++ | make | pkg-config | clang | clang-tidy | shellcheck | valgrind)
		if command -v "$1" >/dev/null; then return 0; fi ;;
	esac
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing() {
	for package; do
		is_there "$package" || printf '%s\n' "$package"
	done
}

if ! command -v dpkg-query >/dev/null; then
	[ "$goal" != deb ] || { echo "make deb needs a machine with dpkg"; exit 1; }
	echo "make $goal: this machine has no dpkg; install the libraries that INSTALL names" >&2
	exit 0
fi
# shellcheck disable=SC2086 # a list of words
list=$(missing $wanted | tr '\n' ' ')
list=${list% }
[ -n "$list" ] || exit 0
case $goal in
deps | check | demo) ;;
*) echo "make $goal needs packages that are not installed: $list"; exit 1 ;;
esac
if [ "$(id -u)" -ne 0 ]; then
	echo "make $goal: needs root to install: $list" >&2
	exit 1
fi
echo "make $goal: installing $list"
apt-get -qq update
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $list >/dev/null
