#!/bin/bash
# A real QEMU (software emulation) with two disks of a served set, and a small Linux that counts in memory
# and writes each count to both disks. Sets are taken while it runs, with its memory; then it goes back to
# them, in any order. The guest judges: what it reads on its disks must be what its memory says.
# Usage: Tests/VirtualMachine/run.sh
#   SNAPMGR_VM_SETS=N SNAPMGR_VM_REVERTS=N      how many of each; 5 and 3
#   SNAPMGR_VM_METHOD=live                      as root: QEMU runs as nobody, for whom the kernel has no background
#                                               snapshots, so that memory goes out as in a live migration
#   SNAPMGR_VM_FIGURES=FILE                     where the figures go, too
# Exits with 77, and says why, where the guest cannot run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$here/../../.build" && pwd)
"$here/setup.sh"
sets=${SNAPMGR_VM_SETS:-5}
reverts=${SNAPMGR_VM_REVERTS:-3}
method=${SNAPMGR_VM_METHOD:-}
patience=600
snapmgr=$build/release/snapmgr

folder=$(mktemp -d)
server=
# QEMU is started by snapmgr after a revert: its own file says which it is.
qemu() { cat "$folder"/run/*.pid 2>/dev/null || true; }
finish() {
    local process
    for process in $(qemu) $server; do
        kill -CONT "$process" 2>/dev/null || true
        kill -KILL "$process" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
cd "$folder"
export SNAPMGR_STATE=$folder/state
export SNAPMGR_CONFIG=$folder/snapmgr.toml

passed=0
fail() {
    echo "FAILED: $1"
    for file in console server.log err state/vms/vm1.log; do
        echo "--- $file:"
        tail -n 20 "$file" 2>/dev/null || true
    done
    echo "$passed passed, 1 failed"
    exit 1
}
pass() { passed=$((passed + 1)); }

# A field of a line of JSON, by its name: numbers, and texts without quotes in them.
field() { grep -o "\"$1\":[^,}]*" | head -n 1 | cut -d : -f 2- | tr -d '"'; }

user=()
mkdir run
if [[ $method == live ]]; then
    user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chmod 711 "$folder"
    chmod 777 run
fi
cp "$build/qemu/vmlinuz" "$build/vm/initrd.gz" .
# The machine: its console and pid file, the socket of its monitor, and its disks; then what QEMU is given besides.
cat >machine <<END
#!/bin/bash
cd "$folder"
name=\$1 qmp=\$2 root=\$3 data=\$4
shift 4
exec ${user[*]} qemu-system-x86_64 -machine q35,accel=tcg -m 256 -smp 1 -nodefaults -no-user-config -display none \\
    -no-reboot -kernel vmlinuz -initrd initrd.gz \\
    -append 'console=ttyS0 panic=-1 loglevel=5 no_timer_check' \\
    -chardev "file,id=console,path=\$name,append=on" -serial chardev:console -pidfile "run/\$name.pid" \\
    -netdev hubport,id=wire,hubid=0 -device virtio-net-pci,netdev=wire,id=card0,romfile= \\
    -qmp "unix:\$qmp,server=on,wait=off" \\
    -drive "file=\$root,format=raw,if=virtio,cache=none" -drive "file=\$data,format=raw,if=virtio,cache=none" "\$@"
END
cat >start-vm <<END
#!/bin/bash
exec "$folder/machine" console run/qmp.sock 'nbd+unix:///root?socket=nbd.sock' 'nbd+unix:///data?socket=nbd.sock' "\$@"
END
chmod 755 machine start-vm
cat >snapmgr.toml <<END
[volumes.root]
[volumes.data]
[vm.vm1]
volumes = ["root", "data"]
qmp = "$folder/run/qmp.sock"
state = true
start = ["$folder/start-vm", "{incoming}"]
clone-start = ["$folder/machine", "copy", "{qmp}", "{disk:root}", "{disk:data}", "{incoming}"]
END
: >console
chmod 666 console
for volume in root data; do
    "$snapmgr" volume create "$volume" --origin "$volume.img" --create-size 8M --chunk 16K >/dev/null
done
"$snapmgr" serve --socket nbd.sock >server.log 2>&1 &
server=$!
until [[ -S nbd.sock ]]; do sleep 0.05; done
if [[ $method == live ]]; then chmod 666 nbd.sock; fi
./start-vm >qemu.log 2>&1 &

# Of whole lines only.
count() { sed -n 's/^COUNT \([0-9]*\)\r$/\1/p' console | tail -n 1; }
look() {
    if grep -qE 'GUEST ERROR|I/O error|Kernel panic' console; then fail "an error in the guest: $1"; fi
}
# Waits until the guest has counted some more.
await_counts() {
    local before deadline=$((SECONDS + patience))
    before=$(count)
    until (($(count) + 0 >= ${before:-0} + ${2:-5})); do
        ((SECONDS < deadline)) || fail "the guest stands still: $1"
        sleep 0.02
    done
    look "$1"
}
await_counts 'at first'

# Takes a set, and leaves in `before` what the guest had counted to then. A machine that is busy may keep QEMU from
# answering in the time that it is given: the set says so, and is taken again.
snapshot() {
    local attempt
    for ((attempt = 0; attempt < 5; attempt++)); do
        before=$(count)
        "$snapmgr" snapshot root data --json >"$1" 2>err || fail "snapshot: $(cat err)"
        grep -q 'in time' "$1" || break
    done
    [[ ! -s err ]] || fail "snapshot says: $(cat err)"
}
declare -a ids counts downtimes returns
for ((number = 0; number < sets; number++)); do
    await_counts "before set $number" $((1 + RANDOM % 10))
    snapshot set.json
    after=$(count)
    ids[number]=$(field set_id <set.json)
    counts[number]="$before $after"
    [[ $(grep -o '"consistency":"vm"' set.json | wc -l) == 2 ]] || fail "set $number: $(cat set.json)"
    downtimes[number]=$(field downtime_us <set.json)
    if [[ -n $method && $(field method <set.json) != "$method" ]]; then fail "not $method: $(cat set.json)"; fi
    [[ ${downtimes[number]} =~ ^[0-9]+$ ]] || fail "no downtime: $(cat set.json)"
    pass
done
await_counts 'after the sets'
"$snapmgr" show "root@latest" >shown
for word in 'stood still' 'memory of' 'all volumes are held'; do
    grep -q "$word" shown || fail "show has no \"$word\": $(cat shown)"
done
"$snapmgr" vm show vm1 --json >vm.json
[[ $(field status <vm.json) == running && $(field latest_state <vm.json) == "set:${ids[-1]}" ]] ||
    fail "vm show: $(cat vm.json)"
pass

# The first count that the guest says after it has gone back, and how long that took: from the command.
revert() {
    local target=$1 low=$2 high=$3 start first lines
    lines=$(wc -l <console)
    start=$(date +%s%N)
    "$snapmgr" revert "$target" --json >revert.json 2>err || fail "revert to $target: $(cat err)"
    until first=$(tail -n +$((lines + 1)) console | awk -v low="$low" -v high="$high" \
        '/^COUNT [0-9]+\r$/ { n = $2 + 0; if (n >= low && n <= high + 1) { print n; exit } }') &&
        [[ -n $first ]]; do
        (($(date +%s%N) - start < 600000000000)) || fail "no count from $low to $high after $target"
        sleep 0.005
    done
    returns+=("$((($(date +%s%N) - start) / 1000000))")
    await_counts "after the revert to $target"
}
"$snapmgr" revert "set:${ids[0]}" --dry-run >steps
grep -q 'quit VM vm1' steps || fail "the steps of a revert: $(cat steps)"
await_counts 'after a dry run'
pass
for ((number = 0; number < reverts; number++)); do
    chosen=$((RANDOM % sets))
    read -r low high <<<"${counts[chosen]}"
    revert "set:${ids[chosen]}" "$low" "$high"
    pass
done

# What the last revert left is undone with its memory, too.
before=$(count)
revert "set:${ids[0]}" "${counts[0]% *}" "${counts[0]#* }"
safety=$(field safety_snapshot_id <revert.json)
"$snapmgr" show "$safety" --json >shown
[[ $(field consistency <shown) == vm ]] || fail "the safety snapshot is $(field consistency <shown)"
revert "set:$(field set_id <shown)" "$before" $((before + 200))
pass

# What follows does not depend on how memory goes out.
if [[ -n $method ]]; then
    echo "$passed passed, 0 failed"
    exit
fi

# A copy goes on from a set with the memory of then, without a network, and the VM beside it from where it is.
await_counts 'before a copy'
"$snapmgr" vm clone "set:${ids[0]}" trial --dry-run >steps 2>err || fail "a copy's dry run: $(cat err)"
grep -q "make clone trial-root of snapshot" steps || fail "the steps of a copy: $(cat steps)"
nothing_left() {
    [[ $("$snapmgr" clone list --json) == '{"clones":[]}' ]] || fail "clones are left: $1: $("$snapmgr" clone list)"
    [[ -z $(find state/mounts -name 'vm-*' 2>/dev/null) ]] || fail "files are left: $1: $(ls state/mounts)"
    if grep -qsF "$folder/state/mounts/vm-" /proc/[0-9]*/cmdline; then fail "a QEMU is left: $1"; fi
}
nothing_left 'of a dry run'
read -r low high <<<"${counts[0]}"
SECONDS=0
"$snapmgr" vm clone "set:${ids[0]}" trial --json >copy.json 2>err || fail "a copy: $(cat err)"
[[ $(field status <copy.json) == running && $(field with_memory <copy.json) == true ]] || fail "a copy: $(cat copy.json)"
grep -q 'card0 of trial unplugged' copy.json || fail "a copy with a network: $(cat copy.json)"
await_copy() {
    until (($(sed -n 's/^COUNT \([0-9]*\)\r$/\1/p' copy | wc -l) >= $1)); do
        ((SECONDS < patience)) || fail "the copy stands still"
        sleep 0.02
    done
}
await_copy 20
first=$(sed -n 's/^COUNT \([0-9]*\)\r$/\1/p' copy | head -n 1)
((first >= low && first <= high + 1)) || fail "the copy began at $first, the set has $low to $high"
await_counts 'beside a copy'
if grep -qE 'GUEST ERROR|I/O error|Kernel panic|GUEST STARTS' copy; then fail "an error in the copy: $(tail copy)"; fi
"$snapmgr" vm list >shown
grep -qE "^trial +vm1 +set:${ids[0]} +running +no" shown || fail "vm list: $(cat shown)"
"$snapmgr" vm stop trial >/dev/null 2>err || fail "vm stop: $(cat err)"
nothing_left 'of a copy'
await_counts 'after a copy'
pass
# Wherever its making is cut, one command takes all of it back.
for ((number = 0; number < 4; number++)); do
    "$snapmgr" vm clone "set:${ids[0]}" cut >/dev/null 2>&1 &
    victim=$!
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
    kill -KILL "$victim" 2>/dev/null || true
    wait "$victim" 2>/dev/null || true
    status=0
    "$snapmgr" vm stop cut >/dev/null 2>err || status=$?
    # 4: nothing was there yet.
    [[ $status == 0 || $status == 4 ]] || fail "vm stop after a cut: $status $(cat err)"
    nothing_left "of a copy that was cut, round $number"
done
await_counts 'after copies that were cut'
pass

# Killed while the VM stands still: the next command has it go on.
for ((number = 0; number < 3; number++)); do
    "$snapmgr" snapshot root data >/dev/null 2>&1 &
    victim=$!
    until [[ -e state/vms/vm1.json ]] || ! kill -0 "$victim" 2>/dev/null; do :; done
    kill -KILL "$victim" 2>/dev/null || true
    wait "$victim" 2>/dev/null || true
    # A VM may take longer to answer than a tick waits; the next one tries again.
    end=$((SECONDS + 300))
    "$snapmgr" tick >/dev/null 2>err || fail "a tick after a killed snapshot: $(cat err)"
    while [[ -e state/vms/vm1.json ]]; do
        ((SECONDS < end)) || fail "the VM is still owed something: $(cat err)"
        sleep 1
        "$snapmgr" tick >/dev/null 2>err || fail "a tick after a killed snapshot: $(cat err)"
    done
    await_counts "after a killed snapshot, round $number"
    pass
done

# States go with their sets.
"$snapmgr" delete "set:${ids[1]}" >/dev/null
for id in $(find state/stores -name '*.state' -printf '%f\n' | sed 's/-.*//; s/^0*//'); do
    "$snapmgr" show "$id" >/dev/null || fail "a state is left of snapshot $id"
done
[[ -z $(find state/stores -name '*.new') ]] || fail 'something unfinished is left'
pass

# A state that is damaged is refused before anything is done.
await_counts 'before the damage'
state=$(find state/stores -name '*.state' | sort | head -n 1)
id=$(basename "$state" | sed 's/-.*//; s/^0*//')
set=$("$snapmgr" show "$id" --json | field set_id)
printf 'x' | dd of="$state" bs=1 seek=5000 conv=notrunc status=none
status=0
"$snapmgr" revert "set:$set" >/dev/null 2>err || status=$?
if ((status == 0)) || ! grep -q SHA-256 err; then fail "a damaged state: $status $(cat err)"; fi
await_counts 'after the damage was found'
pass

# A killed monitor: the disks' snapshot is taken all the same, and says why it is no more.
kill -STOP "$(cat run/console.pid)"
"$snapmgr" snapshot root data --json >set.json 2>err || fail "a snapshot of a VM that is stuck: $(cat err)"
[[ $(field consistency <set.json) == crash ]] || fail "a VM that is stuck: $(cat set.json)"
grep -q 'does not answer in time' set.json || fail "no reason: $(cat set.json)"
kill -CONT "$(cat run/console.pid)"
await_counts 'after it was stuck'
pass

"$snapmgr" check root data >check.log 2>&1 || "$snapmgr" check >check.log 2>&1 || fail "check: $(cat check.log)"
sorted() { printf '%s\n' "$@" | sort -n; }
p99() { sorted "$@" | tail -n $((1 + $# / 100)) | head -n 1; }
p50() { sorted "$@" | head -n $(((1 + $#) / 2)) | tail -n 1; }
{
    echo "The VM stood still for $(p50 "${downtimes[@]}") us at the median, $(p99 "${downtimes[@]}") us at p99," \
        "of ${#downtimes[@]} sets"
    echo "From the revert's command to the next count: $(p50 "${returns[@]}") ms at the median," \
        "$(p99 "${returns[@]}") ms at most of ${#returns[@]}"
} | tee -a "${SNAPMGR_VM_FIGURES:-/dev/null}"
echo "$passed passed, 0 failed"
