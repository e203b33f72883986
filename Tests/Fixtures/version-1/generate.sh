#!/bin/bash
# Makes stores.tar.gz and expected.txt again: stores as a snapmgr wrote them whose records have version 1
# (commit a1fd096). Never needed, unless the fixture shall hold more; then only with that snapmgr.
# As root, where a guest runs (Tests/Guest); it leaves nothing but the two files.
# Usage: generate.sh FOLDER    with that commit's snapmgr and libsnapmgr-nbdkit.so
set -euo pipefail

# The records hold absolute paths: the same ones wherever this runs.
place=/srv/snapmgr-fixture

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ ${2:-} != apart ]]; then
    binaries=$(realpath "$1")
    mkdir -p "$place"
    trap 'rmdir "$place"' EXIT
    unshare --mount --propagation private "$0" "$binaries" apart
    exit
fi
binaries=$1
mount -t tmpfs none "$place"
cd "$place"
export SNAPMGR_STATE=$place/state SNAPMGR_CONFIG= TZ=UTC
snapmgr() { "$binaries/snapmgr" "$@"; }

server=
trap '[[ -z $server ]] || kill "$server"' EXIT
serve() {
    "$binaries/snapmgr" serve --socket nbd.sock &
    server=$!
    until nbdinfo --size "nbd+unix:///plain?socket=nbd.sock" &>/dev/null; do sleep 0.1; done
}
stop() {
    kill "$server"
    wait "$server" || true
    server=
}
# write VOLUME PATTERN OFFSET COUNT...: qemu-io's patterns; they keep the archive small.
write() {
    local volume=$1 commands=()
    shift
    while (($# > 0)); do
        commands+=(-c "write -P $1 $2 $3")
        shift 3
    done
    qemu-io -f raw "nbd+unix:///$volume?socket=nbd.sock" "${commands[@]}" >/dev/null
}

for volume in plain paired; do
    snapmgr volume create "$volume" --origin "$volume.img" --create-size 256K --chunk 4K
done
snapmgr volume create reverting --origin reverting.img --create-size 8M --chunk 16K
# Its store is too small for all of it.
mkdir -p state/stores/broken
mount -t tmpfs -o size=256k none state/stores/broken
snapmgr volume create broken --origin broken.img --create-size 512K --chunk 4K \
    --when-full break-snapshots --store "$place/state/stores/broken"

serve
# Names, notes, tags, a set of two volumes, and deleted snapshots whose areas older ones need.
write plain 1 0 128K
snapmgr snapshot plain --name first --note 'the first one' --tag a --tag b
write plain 2 32K 64K
snapmgr snapshot plain --name second
write plain 3 0 48K 4 200K 8K
snapmgr snapshot plain --name third
write plain 5 100K 40K
write paired 6 0 256K
snapmgr snapshot plain paired --set both --name together
write paired 7 16K 32K
write plain 8 0 4K 9 252K 4K
snapmgr snapshot plain --name last
write plain 10 64K 64K
snapmgr delete plain@second plain@third

write broken 11 0 512K
snapmgr snapshot broken --name lost
write broken 12 0 512K
mount -o remount,size=4m state/stores/broken
snapmgr snapshot broken --name good
write broken 13 32K 64K

write reverting 20 0 8M
snapmgr snapshot reverting --name target
for ((index = 0; index < 32; index++)); do
    write reverting $((100 + index)) $((index * 256))K 200K
done
snapmgr snapshot reverting --name between
write reverting 21 1M 2M
stop

# A merge that was killed in its middle, with its throttle noted.
snapmgr revert reverting@target --no-wait --yes
snapmgr merge throttle 1M reverting
"$binaries/snapmgr" merge resume reverting &
resume=$!
sleep 2
kill -KILL "$resume"
wait "$resume" || true
# No command looks at it from here on: each that opens the volume goes on with the merge.
[[ -s state/stores/reverting/reverts/000001/journal ]]

# In the guest: the same under device-mapper.
mkdir dm
truncate -s 4M dm/origin.img
cat >dm/inside.sh <<INSIDE
set -euo pipefail
export SNAPMGR_STATE=$place/dm/state
mkdir -p /run/snapmgr
put() { head -c "\$3" /dev/zero | tr '\\0' "\$1" |
    dd of=/dev/mapper/snapmgr-device bs=4096 seek="\$2" conv=notrunc,fsync status=none; }
snapmgr() { $binaries/snapmgr "\$@"; }
snapmgr volume create device --driver dm --origin \$SNAPMGR_GUEST_DISKS --store $place/dm/store --chunk 16K
put a 0 1048576
snapmgr snapshot device --name first
put b 64 262144
snapmgr snapshot device --name second
put c 0 65536
snapmgr snapshot device --name third
put d 512 131072
snapmgr delete device@second
for id in 1 3; do
    snapmgr export \$id $place/dm/out.raw
    echo "device \$id \$(sha256sum <$place/dm/out.raw | cut -d' ' -f1)" >>$place/dm/expected
    rm $place/dm/out.raw
done
snapmgr deactivate device
INSIDE
"$here/../../Guest/run.sh" -t 120 -D "$place/dm/origin.img" -w "$place/dm" -- bash "$place/dm/inside.sh"

# Kept before anything is exported, which opens the volumes and lets the merge go on.
find . \( -name '*.sock' -o -name lock \) -delete
# A state of its own: its snapshots have the ids of others.
mkdir -p device/stores
mv dm/store device/stores/device
mv dm/origin.img device.img
tar --create --sparse --format=posix --sort=name --owner=0 --group=0 \
    --pax-option=delete=atime,delete=ctime \
    --file=stores.tar state/stores device ./*.img
gzip -9 --no-name stores.tar
cp stores.tar.gz "$here/stores.tar.gz"

# What each snapshot holds, as the old program exports it: VOLUME ID CHECKSUM.
{
    for snapshot in plain:1 plain:5 plain:6 paired:4 broken:8 reverting:9 reverting:10 reverting:11
    do
        snapmgr export "${snapshot#*:}" out.raw >/dev/null
        echo "${snapshot/:/ } $(sha256sum <out.raw | cut -d' ' -f1)"
        rm out.raw
    done
    cat dm/expected
} >"$here/expected.txt"
ls -l "$here"
