#!/bin/bash
# How long `mount` and `umount` of a snapshot take, as root: of a sparse volume of 100 GiB that nobody serves, and
# of one that is served, its oldest snapshot and its newest.
# Usage: Benchmarks/mounts.sh [SNAPSHOTS]     1000 by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
snapmgr=$PWD/.build/release/snapmgr
snapshots=${1:-1000}
folder=$(mktemp -d "${SNAPMGR_BENCH_DIR:-/var/tmp}/snapmgr-bench-XXXXXX")
export SNAPMGR_STATE=$folder/state
server=
clean_up() {
    "$snapmgr" umount "$folder/view" 2>/dev/null || true
    "$snapmgr" umount "$folder/other" >/dev/null 2>&1 || true
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$folder"
}
trap clean_up EXIT
cd "$folder"
mkdir view other

# now: the time in microseconds. row WHAT TIME...: the median of five.
now() { echo $(($(date +%s%N) / 1000)); }
row() {
    local what=$1
    shift
    printf '%s\n' "$@" | sort -n | sed -n 3p | awk -v what="$what" '{ printf "| %s | %.0f |\n", what, $1 / 1000 }'
}
# measure ID WHAT: mounts and unmounts a snapshot five times.
measure() {
    local start begun=() ended=()
    for _ in 1 2 3 4 5; do
        start=$(now)
        "$snapmgr" mount "$1" view >/dev/null
        begun+=($(($(now) - start)))
        start=$(now)
        "$snapmgr" umount view >/dev/null
        ended+=($(($(now) - start)))
    done
    row "mount, $2" "${begun[@]}"
    row "umount, $2" "${ended[@]}"
}

truncate -s 100G big.img
mke2fs -q -F -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 big.img
"$snapmgr" volume create big --origin big.img >/dev/null
"$snapmgr" serve big --socket "$folder/nbd.sock" 2>/dev/null &
server=$!
until [[ -S state/stores/big/control.sock ]]; do sleep 0.05; done
for number in $(seq 1 "$snapshots"); do
    "$snapmgr" snapshot big >/dev/null
    qemu-io -f raw "nbd+unix:///big?socket=$folder/nbd.sock" \
        -c "write -P $((number % 250 + 1)) $(((50 << 30) + (number << 20))) 64k" >/dev/null
done

echo '| what | ms |'
echo '| --- | --- |'
measure 1 'the oldest, served'
measure big@latest 'the newest, served'
kill "$server"
wait "$server" || true
server=
measure 1 'the oldest, nobody serves the volume'
measure big@latest 'the newest, nobody serves the volume'
"$snapmgr" mount big@latest other >/dev/null
measure 1 'the oldest, beside another mount'
