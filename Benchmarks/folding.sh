#!/bin/bash
# Folding: the folders and bytes of a store when all but every 30th of its snapshots are deleted, how long
# the deletion takes, and how long it is until the chain is as short as its live snapshots.
# Usage: Benchmarks/folding.sh [SNAPSHOTS]     600 by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
snapmgr=$PWD/.build/release/snapmgr
count=${1:-600}
folder=$(mktemp -d "${SNAPMGR_BENCH_DIR:-/var/tmp}/snapmgr-bench-XXXXXX")
server=
clean_up() {
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap clean_up EXIT
cd "$folder"
export SNAPMGR_STATE=$folder/state
uri='nbd+unix:///data?socket=nbd.sock'
store=state/stores/data

write() { qemu-io -f raw "$uri" "$@"; }
milliseconds() { echo $((($(date +%s%N) - $1) / 1000000)); }
folders() { printf '%s\n' "$store"/snapshots/* | wc -l; }
say() { echo "$1: $(folders) folders, $(du -sk "$store" | cut -f 1) KiB"; }

truncate -s 256M disk.img
"$snapmgr" volume create data --origin disk.img --chunk 16K >/dev/null
"$snapmgr" serve data --socket nbd.sock >/dev/null 2>&1 &
server=$!
until nbdinfo --size "$uri" >/dev/null 2>&1; do sleep 0.1; done
write -c 'write -q -P 1 0 256M'
for ((number = 1; number <= count; number++)); do
    "$snapmgr" snapshot data >/dev/null
    write -c "write -q -P 2 $((number * 7919 % 65520 * 4096)) 16K" \
        -c "write -q -P 3 $((number * 104729 % 65520 * 4096)) 64K"
done
say "$count snapshots"
kept=$(((count + 28) / 30 + 1))
gone=()
for ((number = 1; number < count; number++)); do
    if ((number % 30 != 1)); then gone+=("$number"); fi
done
start=$(date +%s%N)
"$snapmgr" delete "${gone[@]}" >/dev/null
say "${#gone[@]} deleted in $(milliseconds "$start") ms"
start=$(date +%s%N)
until (($(folders) <= kept)); do sleep 0.05; done
say "$(milliseconds "$start") ms later"
"$snapmgr" check data --data | tail -n 1
