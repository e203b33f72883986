#!/bin/bash
# Runs a command with SNAPMGR_REFLINK_FOLDER set to a folder on a small filesystem that shares extents
# (XFS in a file, on a loop device), and takes everything away again, whatever comes of it. As root.
# Usage: Scripts/reflink.sh [--written] MEBIBYTES COMMAND...
# With --written the file is written through first, as a disk is: else the filesystem below allocates
# whenever the one within does, which more than doubles the time of a flush.
# Exits with 77, and says why, where that cannot be had.
set -euo pipefail

skip() {
    echo "skipped: $1"
    exit 77
}

written=
if [[ ${1-} == --written ]]; then
    written=yes
    shift
fi
if (($# < 2)); then
    sed -n '2,7s/^# //p' "$0" >&2
    exit 2
fi
mebibytes=$1
shift
if ((EUID != 0)); then skip "loop devices and mounts need root"; fi
if ! command -v mkfs.xfs >/dev/null; then skip "mkfs.xfs is missing (package xfsprogs)"; fi

folder=$(mktemp -d "${SNAPMGR_BENCH_DIR:-/var/tmp}/snapmgr-reflink-XXXXXX")
mounted=
device=
clean_up() {
    local status=$?
    trap - EXIT
    if [[ -n $mounted ]]; then umount "$folder/mount" || umount --lazy "$folder/mount" || true; fi
    if [[ -n $device ]]; then losetup --detach "$device" || true; fi
    rm -rf --one-file-system "$folder"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [[ -n $written ]]; then
    dd if=/dev/zero of="$folder/image" bs=1M count="$mebibytes" conv=fsync status=none
else
    truncate --size "${mebibytes}M" "$folder/image"
fi
# -K: no discard, which would punch what was written.
mkfs.xfs -q -K -m reflink=1 "$folder/image" || skip "mkfs.xfs knows no reflinks here"
device=$(losetup --find --show "$folder/image" 2>&1) || {
    reason=$device
    device=
    skip "no loop device: $reason"
}
mkdir "$folder/mount"
reason=$(mount -t xfs "$device" "$folder/mount" 2>&1) || skip "XFS cannot be mounted: $reason"
mounted=yes
export SNAPMGR_REFLINK_FOLDER="$folder/mount"
# As a child that is waited for, so that a signal reaches the trap at once.
"$@" &
wait $!
