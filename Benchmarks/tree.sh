#!/bin/bash
# What a mount of all snapshots costs: how long it takes, what its program holds in memory when every folder was
# listed, and how long a file takes that is read from one snapshot or another. Of a sparse volume of 100 GiB, served,
# with files in it.
# Usage: Benchmarks/tree.sh [SNAPSHOTS]     1000 by default; needs root to make the filesystem's files, and /dev/fuse
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
snapmgr=$PWD/.build/release/snapmgr
snapshots=${1:-1000}
folder=$(mktemp -d "${SNAPMGR_BENCH_DIR:-/var/tmp}/snapmgr-bench-XXXXXX")
export SNAPMGR_STATE=$folder/state
server=
clean_up() {
    "$snapmgr" umount "$folder/all" >/dev/null 2>&1 || true
    umount "$folder/files" 2>/dev/null || true
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$folder"
}
trap clean_up EXIT
cd "$folder"
mkdir all files

# now: the time in microseconds. row WHAT TIME...: the median, in milliseconds.
now() { echo $(($(date +%s%N) / 1000)); }
row() {
    local what=$1
    shift
    printf '%s\n' "$@" | sort -n | awk -v what="$what" \
        '{ times[NR] = $1 } END { printf "| %s | %.1f ms |\n", what, times[int((NR + 1) / 2)] / 1000 }'
}
# memory: of the mount's program, in MiB, now and at most.
memory() {
    local id
    id=$(grep -oE '"program":\{[^}]*\}' state/mounts/all-1.json | grep -oE '"id":[0-9]+' | cut -d: -f2)
    awk -v what="$1" '/^VmRSS|^VmHWM/ { kib[$1] = $2 }
        END { printf "| memory of its program, %s | %.1f MiB, %.1f at most |\n", what, kib["VmRSS:"] / 1024, kib["VmHWM:"] / 1024 }' \
        "/proc/$id/status"
}

truncate -s 100G big.img
mke2fs -q -F -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 big.img
mount -o loop big.img files
for number in $(seq 50); do
    mkdir -p "files/folder $number"
    for file in $(seq 20); do seq $((file * number)) >"files/folder $number/file $file"; done
done
head -c 1M /dev/urandom >files/data
umount files
"$snapmgr" volume create big --origin big.img >/dev/null
"$snapmgr" serve big --socket "$folder/nbd.sock" 2>/dev/null &
server=$!
until [[ -S state/stores/big/control.sock ]]; do sleep 0.05; done
for number in $(seq 1 "$snapshots"); do
    "$snapmgr" snapshot big >/dev/null
    ((number % 10)) || qemu-io -f raw "nbd+unix:///big?socket=$folder/nbd.sock" \
        -c "write -P $((number % 250 + 1)) $(((50 << 30) + (number << 20))) 64k" >/dev/null
done

echo '| what | |'
echo '| --- | --- |'
begun=() ended=()
for _ in 1 2 3 4 5; do
    start=$(now)
    "$snapmgr" mount --all big all >/dev/null
    begun+=($(($(now) - start)))
    start=$(now)
    "$snapmgr" umount all >/dev/null
    ended+=($(($(now) - start)))
done
row "mount --all, $snapshots snapshots" "${begun[@]}"
row 'umount' "${ended[@]}"
"$snapmgr" mount --all big all >/dev/null
mapfile -t names < <(ls all)
memory 'nothing read'
read_times=()
for _ in $(seq 100); do
    name=${names[RANDOM % ${#names[@]}]}
    start=$(now)
    cat "all/$name/folder 7/file 9" >/dev/null
    read_times+=($(($(now) - start)))
done
row 'a small file of a snapshot by chance' "${read_times[@]}"
start=$(now)
ls all/* >/dev/null
row "ls of all $snapshots folders" $(($(now) - start))
memory 'all folders listed'
echo "| processes, the server's among them | $(pgrep -c -f "$folder" || true) |"
cd all
start=$(now)
find "${names[@]:0:20}" -type f | wc -l >../files.count
row "find of $(cat ../files.count) files in 20 of them" $(($(now) - start))
cd ..
memory 'after that'
sleep 3
memory 'at rest'
