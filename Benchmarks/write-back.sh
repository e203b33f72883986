#!/bin/bash
# Measures first writes of 4 KiB through NBD, each to another chunk: nbdkit's file plugin, snapmgr with the log
# of first writes (one that takes them all, and one of 64 MiB) and without, and a qcow2 overlay, in turn. For each: writes per second, and the median and
# 99th percentile of their times in microseconds.
# Usage: Benchmarks/write-back.sh [ROUNDS]     1 by default; needs fio, nbdkit, qemu-utils and a release build
# BENCH_MIB (512), BENCH_SECONDS (4), SNAPMGR_BENCH_DIR (/var/tmp)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-1}
mib=${BENCH_MIB:-512}
seconds=${BENCH_SECONDS:-4}
snapmgr=$PWD/.build/release/snapmgr
folder=$(mktemp -d "${SNAPMGR_BENCH_DIR:-/var/tmp}/write-back-XXXXXX")
server=
cleanup() {
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder"

# start PROGRAM...: waits until it listens.
start() {
    "$@" >/dev/null 2>>errors &
    server=$!
    for _ in {1..500}; do
        [[ ! -S nbd.sock ]] || return 0
        sleep 0.02
    done
    cat errors >&2
    return 1
}

stop() {
    kill "$server"
    wait "$server" || true
    server=
    rm -f nbd.sock
}

# measure EXPORT DEPTH FSYNC MODE SEED
measure() {
    fio --name=first-writes --ioengine=nbd --uri="nbd+unix:///$1?socket=$folder/nbd.sock" --bs=4k \
        --iodepth="$2" --fsync="$3" --rw="$4" --rwmixread=70 --randseed="$5" --size="${mib}M" \
        --runtime="$seconds" --output-format=json | grep -v '^fio:' | python3 -c '
import json, sys
writes = json.load(sys.stdin)["jobs"][0]["write"]
times = writes["clat_ns"]["percentile"]
print(int(writes["iops"]), int(times["50.000000"] / 1000), int(times["99.000000"] / 1000))'
}

serve() {
    # Before the server has the volume.
    "$snapmgr" --state state snapshot data >/dev/null
    start "$snapmgr" --state state serve data --socket nbd.sock "$@"
}

dd if=/dev/urandom of=base.img bs=1M count="$mib" status=none
cp base.img data.img
cp base.img file.img
"$snapmgr" --state state volume create data --origin data.img --chunk 4K >/dev/null

echo 'in flight, flush after each, mode, server: writes/s, median us, 99 % us'
number=0
for ((round = 0; round < rounds; round++)); do
    for job in '1 0 randwrite' '16 0 randwrite' '64 0 randwrite' '1 1 randwrite' '16 0 randrw'; do
        read -r depth fsync mode <<<"$job"
        number=$((number + 1))
        for kind in file log small none qcow2; do
            export=
            # Nobody pays for what another one has left in memory.
            sync --file-system .
            case $kind in
                file) start nbdkit --foreground --unix nbd.sock file file.img ;;
                log)
                    serve --write-back 1GiB
                    export=data
                    ;;
                small)
                    serve --write-back 64MiB
                    export=data
                    ;;
                none)
                    serve
                    export=data
                    ;;
                qcow2)
                    rm -f overlay.qcow2
                    qemu-img create -q -f qcow2 -b base.img -F raw overlay.qcow2
                    start qemu-nbd --persistent --socket "$folder/nbd.sock" --format qcow2 overlay.qcow2
                    ;;
            esac
            echo "$job $kind: $(measure "$export" "$depth" "$fsync" "$mode" "$number")"
            stop
        done
    done
done
