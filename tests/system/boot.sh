#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# boot.sh LOWER RUN NAME: boots a throwaway host. RUN holds its upper/ and work/.
# Called inside a private mount namespace, so that nothing of it stays behind.
set -euo pipefail
lower=$1 run=$2 name=$3

mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$run/upper,workdir=$run/work" "$run/root"
# A test machine may have cgroup v1 or none at all; the host gets v2, as real ones do.
if mountpoint -q /sys/fs/cgroup; then umount -R /sys/fs/cgroup; fi
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$name"
echo $$ >"/sys/fs/cgroup/$name/cgroup.procs"

export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 \
	systemd-nspawn -q -b -D "$run/root" --machine="$name" --register=no --keep-unit \
	--private-network --resolv-conf=off --timezone=off --console=pipe
