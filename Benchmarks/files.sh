#!/bin/bash
# Files in snapshots: one file back, find, and diff --files, against rsync -anc between mounts of both
# snapshots (as root, where loop devices can be mounted; else between the same trees on a plain folder).
# Usage: Benchmarks/files.sh [SNAPSHOTS [FILES]]     1000 and 100000 by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
snapmgr=$PWD/.build/release/snapmgr
snapshots=${1:-1000}
files=${2:-100000}
folder=$(mktemp -d "${SNAPMGR_BENCH_DIR:-/var/tmp}/snapmgr-bench-XXXXXX")
server=
clean_up() {
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    for mount in "$folder"/mount*; do if mountpoint -q "$mount"; then umount "$mount"; fi; done
    rm -rf "$folder"
}
trap clean_up EXIT
cd "$folder"
export SNAPMGR_STATE=$folder/state

# Prints the median of five runs of a command, in milliseconds.
median() {
    local start
    for _ in 1 2 3 4 5; do
        start=$(date +%s%N)
        "$@" >/dev/null
        echo $((($(date +%s%N) - start) / 10000))
    done | sort -n | sed -n 3p | sed -E 's/^(.*)(..)$/\1.\2/'
}
row() { echo "| $1 | $2 |"; }

serve() {
    "$snapmgr" serve "$1" --socket "$folder/nbd.sock" 2>/dev/null &
    server=$!
    until [[ -S state/stores/$1/control.sock ]]; do sleep 0.05; done
}
stop() {
    kill "$server"
    wait "$server" || true
    server=
}
echo "| what | ms |"
echo "| --- | --- |"

# A chain of snapshots of a sparse volume of 100 GiB, in each of which a file changes.
truncate -s 100G big.img
mkdir tree
mkdir -p tree/etc tree/home/eve
for number in $(seq 1 2000); do echo "$number" >"tree/home/eve/$number"; done
echo 0 >tree/etc/conf
mke2fs -q -F -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 -O ^has_journal,^metadata_csum -d tree big.img
"$snapmgr" volume create big --origin big.img >/dev/null
serve big
block=$(debugfs -R 'blocks /etc/conf' big.img 2>/dev/null | tr -d ' ')
inode=$(debugfs -R 'imap /etc/conf' big.img 2>/dev/null | sed -n 's/.*located at block \([0-9]*\), offset \(.*\)$/\1 \2/p')
read -r table offset <<<"$inode"
for number in $(seq 1 "$snapshots"); do
    # The superblock, a group's descriptor, the file's inode and its block, as a change of a file does.
    qemu-io -f raw "nbd+unix:///big?socket=$folder/nbd.sock" \
        -c "write -q -P $((number % 250)) $((block * 4096)) 512" \
        -c "write -q -P $((number % 250)) $((table * 4096 + offset + 16)) 1" \
        -c "write -q -P $((number % 250)) $((1024 + 48)) 1" -c flush >/dev/null
    "$snapmgr" snapshot big -q >/dev/null
done
for id in 1 $((snapshots / 2)) "$snapshots"; do
    row "one file of snapshot $id of $snapshots, served" "$(median "$snapmgr" get "$id" /home/eve/77 --to -)"
done
row "find over $snapshots snapshots, served" "$(median "$snapmgr" find big /etc/conf)"
stop
for id in 1 $((snapshots / 2)) "$snapshots"; do
    row "one file of snapshot $id, not served" "$(median "$snapmgr" get "$id" /home/eve/77 --to -)"
done
row "find over $snapshots snapshots, not served" "$(median "$snapmgr" find big /etc/conf)"

# Two snapshots of many files, of which 100 differ.
mkdir many
content=$(printf 'x%.0s' {1..2000})
for number in $(seq 1 $((files / 100))); do
    mkdir -p "many/$((number % 30))/$number"
    for inner in $(seq 1 100); do printf %s "$content" >"many/$((number % 30))/$number/$inner"; done
done
truncate -s $((files / 100 + 200))M many.img
mke2fs -q -F -t ext4 -N $((files + files / 20 + 1000)) -d many many.img
cp --sparse=always many.img next.img
"$snapmgr" volume create many --origin many.img >/dev/null
serve many
"$snapmgr" snapshot many --name before >/dev/null
for number in $(seq 1 100); do
    echo "rm /$((number % 30))/$number/5"
    echo "cd /$((number % 30))/$number"
    echo "write commands.source 5"
done >commands
echo changed >commands.source
debugfs -w -f commands next.img >/dev/null 2>&1
cmp -l many.img next.img | awk '{ c = int(($1 - 1) / 4096); if (c != last) print c; last = c }' >blocks || true
while read -r block; do
    dd if=next.img of=piece bs=4096 skip="$block" count=1 status=none
    echo "write -q -s $folder/piece$block $((block * 4096)) 4096"
    mv piece "piece$block"
done <blocks >writes
qemu-io -f raw "nbd+unix:///many?socket=$folder/nbd.sock" <writes >/dev/null
"$snapmgr" snapshot many --name after >/dev/null
stop
row "diff --files of $files files, 100 changed" "$(median "$snapmgr" diff many@before many@after --files)"
echo "files that differ: $("$snapmgr" diff many@before many@after --files | tail -n +2 | wc -l)" >&2
"$snapmgr" export many@before before.img >/dev/null
"$snapmgr" export many@after after.img >/dev/null
mkdir mount1 mount2
if mount -o loop,ro,noload before.img mount1 2>/dev/null && mount -o loop,ro,noload after.img mount2; then
    row "rsync -anc between mounts of both, warm" "$(median rsync -anc --delete mount1/ mount2/)"
else
    "$snapmgr" get many@before / --to mount1 >/dev/null
    "$snapmgr" get many@after / --to mount2 >/dev/null
    row "rsync -anc between copies of both trees, warm" "$(median rsync -anc --delete mount1/ mount2/)"
fi
