#!/bin/bash
# A revert of very many chunks: a million of 4 KiB, which are every second one of a
# volume full of data, changed in random order after its snapshot. How long until the volume reads as the snapshot, and what memory the server takes for it,
# for the merge, and when it is opened again in the middle of it.
# Usage: Benchmarks/million.sh [CHUNKS]     1,000,000 by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
snapmgr=$PWD/.build/release/snapmgr
count=${1:-1000000}
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

milliseconds() { echo $((($(date +%s%N) - $1) / 1000000)); }
serve() {
    local start
    start=$(date +%s%N)
    "$snapmgr" serve data --socket nbd.sock >/dev/null 2>>serve.log &
    server=$!
    until qemu-io -f raw -r "$uri" -c 'read -q 0 4K' >/dev/null 2>&1; do sleep 0.02; done
    echo "served, first read: $(milliseconds "$start") ms"
}
# The most memory since the last look.
peak() {
    awk -v what="$1" '/VmHWM/ { printf "%s: peak %.1f MiB\n", what, $2 / 1024 }' "/proc/$server/status"
    echo 5 >"/proc/$server/clear_refs"
}

size=$((count * 8192))
fio --name=fill --filename=disk.img --rw=write --bs=1m --size="$size" --output=fill.log
"$snapmgr" volume create data --origin disk.img --chunk 4K >/dev/null
serve
"$snapmgr" snapshot data >/dev/null
peak 'a snapshot'
start=$(date +%s%N)
fio --name=change --ioengine=nbd --uri="$uri" --rw=randwrite --bs=4k --iodepth=64 --size="$size" \
    --io_size=$((count * 4096)) --output=fio.log
echo "$count first writes: $(milliseconds "$start") ms"
peak 'the writes'
qemu-io -f raw "$uri" -c flush
"$snapmgr" diff data@1 data@live --json >diff.json
peak 'diff'
start=$(date +%s%N)
"$snapmgr" revert data@1 --no-wait --json >revert.json
echo "revert: $(milliseconds "$start") ms, usable after" \
    "$(grep -o '"usable_after_ms":[^,}]*' revert.json)"
start=$(date +%s%N)
qemu-io -f raw -r "$uri" -c 'read -q 0 4K'
echo "the next read: $(milliseconds "$start") ms"
peak 'revert'
sleep 2
"$snapmgr" merge status data
peak 'merging for 2 s'
start=$(date +%s%N)
kill "$server" && wait "$server" || true
echo "stopped in $(milliseconds "$start") ms"
serve
peak 'opened in the middle of the merge'
start=$(date +%s%N)
until "$snapmgr" merge status data --json | grep -q '"merges":\[\]'; do sleep 0.2; done
echo "merged in another $(milliseconds "$start") ms"
peak 'the merge'
