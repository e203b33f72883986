#!/bin/bash
# What `send` and `receive` cost: a whole snapshot through a pipe against dd of the same bytes through a pipe with
# fsync, in turn; changes of nothing; and the same changes in a small volume and in a large sparse one.
# Usage: Benchmarks/stream.sh [MIB]     1024 by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
snapmgr=$PWD/.build/release/snapmgr
mib=${1:-1024}
folder=$(mktemp -d "${SNAPMGR_BENCH_DIR:-/var/tmp}/snapmgr-bench-XXXXXX")
export SNAPMGR_STATE=$folder/state
trap 'rm -rf --one-file-system "$folder"' EXIT
cd "$folder"

# now: the time in microseconds. median TIME...; row WHAT MICROSECONDS
now() { echo $(($(date +%s%N) / 1000)); }
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }
row() { awk -v what="$1" -v time="$2" 'BEGIN { printf "| %s | %.2f |\n", what, time / 1e6 }'; }

# filled NAME SIZE: a volume of SIZE with so many MiB of data at its beginning, and a snapshot.
filled() {
    truncate -s "$2" "$1.img"
    dd if=source of="$1.img" bs=1M conv=notrunc status=none
    "$snapmgr" volume create "$1" --origin "$1.img" >/dev/null
    "$snapmgr" snapshot "$1" --name whole >/dev/null
}

head -c $((mib << 20)) /dev/urandom >source
filled small 4G
sync

echo "| $mib MiB | s |"
echo '| --- | --- |'
sends=() copies=()
for _ in 1 2 3 4 5; do
    start=$(now)
    "$snapmgr" send -q small@whole | "$snapmgr" receive copy --origin copy.img >/dev/null
    sends+=($(($(now) - start)))
    "$snapmgr" volume remove copy --yes >/dev/null
    rm copy.img
    start=$(now)
    dd if=source bs=1M status=none | dd of=copy.img bs=1M iflag=fullblock conv=fsync status=none
    copies+=($(($(now) - start)))
    rm copy.img
done
row 'send and receive, a whole snapshot' "$(median "${sends[@]}")"
row 'dd through a pipe, fsync' "$(median "${copies[@]}")"

# write NAME: fills so many MiB of a volume anew, as a client.
write() {
    local server at commands=()
    for ((at = 0; at < mib; at += 128)); do
        commands+=(-c "write -q -s source $((at << 20)) $((mib - at < 128 ? mib - at : 128))M")
    done
    "$snapmgr" serve "$1" --socket "$folder/nbd.sock" 2>/dev/null &
    server=$!
    until [[ -S state/stores/$1/control.sock ]]; do sleep 0.05; done
    qemu-io -f raw "nbd+unix:///$1?socket=$folder/nbd.sock" "${commands[@]}"
    kill "$server"
    wait "$server" || true
}
# travel NAME BASE ID: the time of what changed from one snapshot to another, sent and received.
travel() {
    local start
    start=$(now)
    "$snapmgr" send -q "$1@$3" --from "$1@$2" | "$snapmgr" receive "$1-copy" >/dev/null
    echo $(($(now) - start))
}
# changes NAME SIZE: what so many MiB of changes cost to send and to receive, and none, three times each.
changes() {
    local round base=whole times=() none=()
    "$snapmgr" send -q "$1@whole" | "$snapmgr" receive "$1-copy" --origin "$1-copy.img" >/dev/null
    for round in 1 2 3; do
        head -c $((128 << 20)) /dev/urandom >source
        write "$1"
        "$snapmgr" snapshot "$1" --name "changed-$round" >/dev/null
        "$snapmgr" snapshot "$1" --name "still-$round" >/dev/null
        sync
        times+=("$(travel "$1" "$base" "changed-$round")")
        none+=("$(travel "$1" "changed-$round" "still-$round")")
        base=still-$round
    done
    row "$mib MiB of changes, a volume of $2" "$(median "${times[@]}")"
    row "no changes, a volume of $2" "$(median "${none[@]}")"
}

changes small '4 GiB'
filled large 1T
changes large '1 TiB, sparse'
