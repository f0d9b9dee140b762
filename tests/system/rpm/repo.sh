#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# repo.sh: run in a root with rpm, makes /srv/repo there and installs its oldest packages.
set -eu
here=$(dirname "$0")
repo=/srv/repo
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() {
	spec=$1
	shift
	# As they are: no stripping, no debug packages; and quick rather than small.
	rpmbuild --quiet -bb --define "_topdir $work" --define "_rpmdir $repo" \
		--define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
		--define 'debug_package %{nil}' --define '__os_install_post %{nil}' \
		--define '_build_id_links none' --define '_binary_payload w1.gzdio' \
		--define '_buildhost localhost' \
		"$@" "$here/$spec.spec"
}

# What the hooks' packages may ask for, under the names that distributions with rpm use.
front_end() {
	if command -v dnf5 >/dev/null; then
		printf '%s\n' dnf5 libdnf5-plugin-actions
	else
		printf '%s\n' dnf python3-dnf
	fi
}

{
	front_end
	find /usr/lib -name '*.so*' -type f | /usr/lib/rpm/elfdeps --provides | sort -u
} | sed 's/^/Provides: /' >"$work/provides"
build base --define "provides $work/provides"
for evr in 3.0.7-1 3.0.7-2 3.2.2-1; do
	build openssl --define "evr_version ${evr%-*}" --define "evr_release ${evr#*-}"
done
for version in 1 2; do
	build unrelated --define "evr_version $version"
done
createrepo_c -q "$repo"
# The unshare plugin wants the root to be a mount point, which a chroot is not.
rpm --noplugins -U "$repo"/base-1-1.*.rpm "$repo"/openssl-libs-3.0.7-1.*.rpm \
	"$repo"/unrelated-1-1.*.rpm
