#!/bin/bash
# How long `find` takes, as root, over snapshots whose filesystems are mounted for it, of a volume that nobody serves:
# when something was written before each of them, and when nothing was.
# Usage: Benchmarks/mounted-find.sh [SNAPSHOTS]     300 by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
snapmgr=$PWD/.build/release/snapmgr
snapshots=${1:-300}
folder=$(mktemp -d "${SNAPMGR_BENCH_DIR:-/var/tmp}/snapmgr-bench-XXXXXX")
export SNAPMGR_STATE=$folder/state
server=
stop() {
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    server=
}
# shellcheck disable=SC2317 # The trap calls it.
clean_up() {
    stop
    rm -rf --one-file-system "$folder"
}
trap clean_up EXIT
cd "$folder"
mkdir view

# serve NAME: until stop.
serve() {
    "$snapmgr" serve "$1" --socket "$folder/nbd.sock" 2>/dev/null &
    server=$!
    until [[ -S state/stores/$1/control.sock ]]; do sleep 0.05; done
}

# measure NAME WHAT: the whole command, in milliseconds.
measure() {
    local start
    start=$(date +%s%N)
    "$snapmgr" find "$1" /file >/dev/null
    echo "| find over $snapshots snapshots, $2 | $((($(date +%s%N) - start) / 1000000)) |"
}

echo '| what | ms |'
echo '| --- | --- |'
for type in xfs btrfs; do
    truncate -s 320M "$type.img"
    "mkfs.$type" -q "$type.img"
    mount -o loop "$type.img" view
    echo content >view/file
    umount view
    for kind in quiet busy; do
        name=$type-$kind
        cp --sparse=always "$type.img" "$name.img"
        "$snapmgr" volume create "$name" --origin "$name.img" >/dev/null
        serve "$name"
        for number in $(seq 1 "$snapshots"); do
            if [[ $kind == busy ]]; then
                # Where the filesystem has nothing.
                qemu-io -f raw "nbd+unix:///$name?socket=$folder/nbd.sock" \
                    -c "write -P $((number % 250 + 1)) 300M 4k" >/dev/null
            fi
            "$snapmgr" snapshot "$name" >/dev/null
        done
        stop
    done
    measure "$type-quiet" "$type, nothing written between them"
    measure "$type-busy" "$type, something written before each"
done
