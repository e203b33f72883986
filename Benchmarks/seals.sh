#!/bin/bash
# Seals: what a check of the data takes against reading the same files with dd, and what sealing costs first
# writes, in alternating runs: after a snapshot, while the area before it is sealed, and without seals to make.
# Usage: Benchmarks/seals.sh [ROUNDS]     5 by default; needs qemu-utils, nbdkit, libnbd-bin and a release build
# BENCH_MIB (2048, in steps of 256), SNAPMGR_BENCH_DIR (/var/tmp)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-5}
mib=${BENCH_MIB:-2048}
snapmgr=$PWD/.build/release/snapmgr
folder=$(mktemp -d "${SNAPMGR_BENCH_DIR:-/var/tmp}/snapmgr-seals-XXXXXX")
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
store=state/stores/data
uri='nbd+unix:///data?socket=nbd.sock'

now() { date +%s%N; }
# since NANOSECONDS: how many milliseconds ago that was.
since() { echo $((($(now) - $1) / 1000000)); }
median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

start() {
    "$snapmgr" serve data --socket nbd.sock >/dev/null 2>&1 &
    server=$!
    until nbdinfo --size "$uri" >/dev/null 2>&1; do sleep 0.05; done
}
stop() {
    kill "$server"
    wait "$server" || true
    server=
}

# write PATTERN: first writes to every fourth 64 KiB of the first half, with a flush after each 64.
write() {
    local place arguments=()
    for ((place = 0; place < mib * 8; place += 4)); do
        arguments+=(-c "write -q -P $1 $((place * 64))k 64k")
        ((place % 256)) || arguments+=(-c flush)
    done
    arguments+=(-c flush)
    qemu-io -f raw "$uri" "${arguments[@]}" >/dev/null
}

# wait_for COUNT: until so many areas are sealed.
wait_for() {
    until (($(find "$store/seals" -name '*.seal' 2>/dev/null | wc -l) >= $1)); do sleep 0.1; done
}

dd if=/dev/urandom of=disk.img bs=1M count="$mib" status=none
"$snapmgr" volume create data --origin disk.img >/dev/null
"$snapmgr" snapshot data >/dev/null

echo "## First writes, ms: while the area before is sealed, and when all is sealed"
start
# An area of the whole volume, which takes long to seal; a request has at most 2 GiB less a sector.
for ((place = 0; place < mib; place += 256)); do
    qemu-io -f raw "$uri" -c "write -q -P 1 ${place}M 256M" -c flush >/dev/null
done
"$snapmgr" snapshot data >/dev/null
wait_for 1
sealed=1
# measure KIND: first writes, and a snapshot after them, so that the next ones are made while the area is sealed.
measure() {
    [[ $1 == busy ]] || wait_for "$sealed"
    local begun taken
    begun=$(now)
    write 2
    taken=$(since "$begun")
    "$snapmgr" snapshot data >/dev/null
    sealed=$((sealed + 1))
    echo "$taken" >>"$1"
    echo "$1 $taken"
}
# Each kind comes first in every other round: what is written later costs the disk more.
for ((round = 1; round <= rounds; round++)); do
    if ((round % 2)); then
        measure quiet
        measure busy
    else
        measure busy
        measure quiet
    fi
done
wait_for "$sealed"
stop
paste busy quiet | awk '{ printf "%.1f\n", ($1 / $2 - 1) * 100 }' | median |
    sed 's/.*/median of the rounds: & % longer while the area before is sealed/'

echo "## Reading all areas, ms: dd, and check --data less a check without"
forget() { sync; [[ ! -w /proc/sys/vm/drop_caches ]] || echo 3 >/proc/sys/vm/drop_caches; }
# The origin is read as well: dd reads it, too.
for ((round = 1; round <= rounds; round++)); do
    forget
    begun=$(now)
    for file in "$store"/snapshots/*/area.cow; do
        dd if="$file" of=/dev/null bs=1M status=none
    done
    dd if=disk.img of=/dev/null bs=1M status=none
    read=$(since "$begun")
    forget
    begun=$(now)
    "$snapmgr" check data --data --restart >/dev/null
    scrub=$(since "$begun")
    echo "$read" >>read
    echo "$scrub" >>scrub
    echo "$read $scrub"
done
paste read scrub | awk '{ printf "%.2f\n", $1 / $2 }' | median | sed 's/.*/median of the rounds: & of dd/'
awk -v scrub="$(median <scrub)" -v kib="$(du -skc "$store" disk.img | tail -1 | cut -f 1)" \
    'BEGIN { printf "%d MiB/s\n", kib / 1.024 / scrub }'
