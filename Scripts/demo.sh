#!/bin/bash
# A tour of snapmgr: a real filesystem, served over NBD and changed by an NBD client, with three
# snapshots, a file brought back, a writable clone that is made the volume, a revert while it is served, and the
# undo. Everything is compared byte for byte; a comparison that fails ends the tour with an error. Needs no root; works in a temporary folder.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH=$root/.build/release:/usr/sbin:/sbin:$PATH

work=$(mktemp -d "${TMPDIR:-/tmp}/snapmgr-demo.XXXXXX")
server=
finish() {
    local status=$?
    if [[ -n $server ]]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
    if ((status != 0)); then echo "The demo failed (exit status $status)." >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"
export SNAPMGR_STATE=$work/state TZ=UTC

bold= plain=
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi

say() { printf "\n# %s\n" "$*"; }

# Shows a command and runs it.
run() {
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    eval "$*"
}

uri='nbd+unix:///data?socket=nbd.sock'

# Waits until a command succeeds, for 20 seconds at most.
wait_for() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "gave up waiting for: $*" >&2
    return 1
}

merge_has_ended() { [[ $(snapmgr merge status data --json) != *'"merging"'* ]]; }

# Changes files in the served volume as an NBD client, without root or a mount: copies the export
# out, edits the copy with debugfs, and writes back only the blocks that differ.
edit() {
    local changes=$1 block commands=() total
    run "nbdcopy '$uri' before.img && cp before.img after.img"
    run "debugfs -w -f $changes after.img >/dev/null 2>&1"
    for block in $({ cmp -l before.img after.img || true; } | awk '
        { block = int(($1 - 1) / 4096) } block != last || NR == 1 { print block; last = block }')
    do
        dd if=after.img of="block-$block" bs=4096 skip="$block" count=1 status=none
        commands+=(-c "write -q -s block-$block $((block * 4096)) 4096")
    done
    total=$(($(stat -c %s after.img) / 4096))
    # One -c for each block: showing the first is enough.
    printf '%s$ %s%s\n' "$bold" "qemu-io -f raw '$uri' -c '${commands[1]}' ... -c flush" "$plain"
    qemu-io -f raw "$uri" "${commands[@]}" -c flush
    echo "  $((${#commands[@]} / 2)) of $total blocks of 4096 bytes written"
    rm -f block-*
}

# Compares the files in an export with a folder: filesystem clean, same names, same bytes.
compare() {
    local export=$1 folder=$2 count
    run "nbdcopy 'nbd+unix:///$export?socket=nbd.sock' copy.img"
    run "e2fsck -fn copy.img 2>&1 | tail -n 1"
    e2fsck -fn copy.img >/dev/null 2>&1
    rm -rf copy
    run "mkdir copy && debugfs -R 'rdump / copy' copy.img 2>/dev/null"
    rmdir copy/lost+found
    run "diff -r $folder copy && echo same"
    count=$(find "$folder" -type f | wc -l)
    echo "  $count files, byte for byte"
}

say 'An ext4 filesystem with the sources of snapmgr, in a raw image.'
mkdir original
cp -r "$root"/{Sources,Tests,docs,Makefile,Package.swift,README.md} original/
run 'truncate -s 64M disk.img && mke2fs -q -t ext4 -d original disk.img'
# The temporary folder's name says nothing to a reader.
run 'snapmgr volume create data --origin disk.img' | sed "s|$work/||"

say 'Served over NBD: virtual machines, qemu-img, nbdcopy, fio or nbd-client attach to it.'
run 'snapmgr serve data --socket nbd.sock &'
server=$!
wait_for nbdinfo --size "$uri"
run "nbdinfo --size '$uri'"

say 'A snapshot; then files are added, changed and deleted by an NBD client.'
run 'snapmgr snapshot data --name original'
cp -r original edited
date >edited/today.txt
echo '// Changed.' >>edited/Package.swift
rm edited/README.md
cat >first.txt <<'END'
write edited/today.txt today.txt
rm Package.swift
write edited/Package.swift Package.swift
rm README.md
END
run 'cat first.txt'
edit first.txt
run 'snapmgr snapshot data --name edited'

say 'A third snapshot, and a change that no snapshot has.'
cp -r edited third
rm third/Makefile
echo 'rm Makefile' >second.txt
edit second.txt
run 'snapmgr snapshot data --name third'
cp -r third latest
rm -r latest/docs
(cd third && find docs -depth -type f -printf 'rm %p\n' -o -type d -printf 'rmdir %p\n') >third.txt
edit third.txt

say 'What there is, and what changed.'
run 'snapmgr list data'
run 'snapmgr diff data@original data@edited | tail -n 5'
run 'snapmgr diff data@third data@live | tail -n 3'

say 'One file back from a snapshot, without a mount; and since when it has been another one.'
run 'snapmgr get data@original /README.md --to .'
run "cmp README.md original/README.md && echo same"
run 'snapmgr find data /Package.swift'
run 'snapmgr diff data@original data@edited --files'

say 'A writable clone of the first snapshot: served by its name, and nothing else changes with it.'
run 'snapmgr clone create data@original trial'
uri='nbd+unix:///trial?socket=nbd.sock' edit first.txt
compare trial edited
compare data@original original
run 'snapmgr clone list'
run 'snapmgr delete data@original || true'

say 'The repaired clone is made the volume, at once; the safety snapshot undoes it.'
run 'snapmgr revert data@original --with trial --end-clone | tee with.txt'
compare data edited
wait_for merge_has_ended
run 'snapmgr clone list'
run "snapmgr revert $(sed -n 's/.*`snapmgr revert \([0-9]*\)`.*/\1/p' with.txt)"
compare data latest
wait_for merge_has_ended

say 'Back to the first snapshot while the volume is served: the plan, then the deed.'
run 'snapmgr revert data@original --dry-run'
run 'snapmgr revert data@original --yes | tee revert.txt'
safety=$(sed -n 's/.*`snapmgr revert \([0-9]*\)`.*/\1/p' revert.txt)
compare data original
wait_for merge_has_ended
run 'snapmgr merge status data'

say 'The other snapshots are still there and still right.'
run 'snapmgr list data'
compare data@edited edited
compare data@third third

say 'The undo: back to the safety snapshot, with what no other snapshot had.'
run "snapmgr revert $safety --yes --wait"
compare data latest

run 'snapmgr status'

say 'Without snapmgr the origin is a plain image, readable by anything.'
run "kill $server"
wait "$server" || true
server=
run 'snapmgr check data'
run 'cmp disk.img copy.img && echo same'

say 'A schedule at work, on a fast clock: a day of ticks, as a timer or cron runs them each minute.'
cat >schedule.toml <<'END'
time-zone = "UTC"
free-space-floor = "0"
[volumes.data]
schedules = ["quarter-hourly"]
policy = "standard"
[schedules.quarter-hourly]
every = "15m"
[policies.standard]
last = 4
hourly = 6
daily = 7
END
export SNAPMGR_CONFIG=$work/schedule.toml
# Runs a command whose clock shows another time, by the library that the tests use.
at() {
    local moment
    moment=$(date --utc --date="$1" +%s)
    shift
    LD_PRELOAD=$root/.build/release/libsnapmgr-test-clock.so SNAPMGR_TEST_CLOCK_START=$moment "$@"
}
run 'cat schedule.toml'
run 'snapmgr config check' | sed "s|$work/||"
run "at '2030-01-01 UTC' snapmgr tick     # the schedule begins"
# Quietly: of each it is said that the clock has jumped.
tick() { at "2030-01-01 UTC $1 minutes" snapmgr -q tick; }
run 'for ((minute = 15; minute <= 1500; minute += 15)); do tick $minute; done >ticks.txt'
run 'head -n 1 ticks.txt; tail -n 2 ticks.txt'
run "at '2030-01-02 01:01 UTC' snapmgr list data -o id,taken_at,kind,schedule,kept_by,expires_at"
kept=$(snapmgr list data --json | grep -o '"kind":"scheduled"' | wc -l)
# The newest four, of which one stands for its hour, too; five more hours, one of which begins a day;
# and the first one of the day before.
if ((kept != 10)); then
    echo "The policy should have kept 10 scheduled snapshots, not $kept." >&2
    exit 1
fi
run 'snapmgr policy simulate data --for 7d | tail -n 9'
