#!/bin/bash
# A Linux guest in QEMU (software emulation) whose disk is a volume served over NBD. It writes and
# syncs in a loop while the server is stopped and started, killed and started, and upgraded under it,
# ten times each: no error in the guest, and every write that it was told is durable is there.
# What is done here is docs/operations.md's recipe.
# Usage: Tests/QEMU/run.sh     SNAPMGR_QEMU_ROUNDS=N instead of 10
# Exits with 77, and says why, where the guest cannot run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$here/../../.build" && pwd)
"$here/setup.sh"
rounds=${SNAPMGR_QEMU_ROUNDS:-10}
# How long the guest may stand still, in seconds, before that is a failure.
patience=600

folder=$(mktemp -d)
server=
qemu=
finish() {
    local process
    for process in $server $qemu; do
        kill -KILL "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap finish EXIT
cd "$folder"
export SNAPMGR_STATE=$folder/state
mkdir bin

fail() {
    echo "FAILED: $1"
    echo '--- the guest:'
    tail -n 20 console
    echo '--- the server:'
    tail -n 20 server.log
    echo "$passed passed, 1 failed"
    exit 1
}
passed=0

# Puts the program and its plugin in place as an upgrade does: new files under the old names.
install_program() {
    local file
    for file in snapmgr libsnapmgr-nbdkit.so; do
        cp "$build/release/$file" "bin/$file.new"
        mv "bin/$file.new" "bin/$file"
    done
}

start_server() {
    bin/snapmgr serve vm --socket nbd.sock >>server.log 2>&1 &
    server=$!
}

# As `systemctl stop` does it.
stop_server() {
    kill -TERM "$server"
    local status=0
    wait "$server" || status=$?
    ((status == 0)) || fail "the server ended with $status"
    server=
}

kill_server() {
    kill -KILL "$server"
    wait "$server" 2>/dev/null || true
    server=
}

# Of whole lines only: the guest may be killed within one.
durable() { sed -n 's/^DURABLE \([0-9]*\)\r$/\1/p' console | tail -n 1; }

# Waits until the guest has made some more records durable, and has met no error.
await_progress() {
    local before deadline=$((SECONDS + patience))
    before=$(durable)
    until (($(durable) + 0 >= ${before:-0} + 5)); do
        kill -0 "$qemu" 2>/dev/null || fail 'QEMU has ended'
        ((SECONDS < deadline)) || fail "the guest stands still: $1"
        sleep 0.1
    done
    if grep -qE 'GUEST ERROR|I/O error|Buffer I/O' console; then fail "an error in the guest: $1"; fi
}

install_program
bin/snapmgr volume create vm --origin vm.img --create-size 8M --chunk 16K >/dev/null
start_server
: >console
until [[ -S nbd.sock ]]; do sleep 0.05; done
# no_timer_check: the kernel would count ticks for some milliseconds, and panic where the machine does
# not run QEMU meanwhile.
qemu-system-x86_64 -machine q35,accel=tcg -m 192 -smp 1 -nodefaults -no-user-config \
    -display none -no-reboot -kernel "$build/qemu/vmlinuz" -initrd "$build/qemu/initrd.gz" \
    -append 'console=ttyS0 panic=-1 loglevel=5 no_timer_check' -serial file:console \
    -blockdev driver=nbd,node-name=disk,server.type=unix,server.path=nbd.sock,export=vm,reconnect-delay=60 \
    -device virtio-blk-pci,drive=disk >qemu.log 2>&1 &
qemu=$!
await_progress 'at first'

for ((round = 1; round <= rounds; round++)); do
    bin/snapmgr snapshot vm >/dev/null
    stop_server
    start_server
    await_progress "stopped and started, round $round"
    passed=$((passed + 1))

    kill_server
    start_server
    await_progress "killed and started, round $round"
    passed=$((passed + 1))

    install_program
    await_progress "files replaced, round $round"
    stop_server
    start_server
    await_progress "upgraded, round $round"
    passed=$((passed + 1))
done

kill -KILL "$qemu"
wait "$qemu" 2>/dev/null || true
qemu=
last=$(durable)
stop_server
bin/snapmgr check vm --data >check.log || fail "check: $(cat check.log)"

# The last 256 records, but those that others may have overwritten at the end: the one under way, and
# some that were durable and not yet said.
for ((number = last > 248 ? last - 247 : 1; number <= last; number++)); do
    found=$(dd if=vm.img bs=4096 skip=$((number % 256)) count=1 status=none | tr -d '\0 ')
    [[ $found == "record$number" ]] || fail "record $number is lost: ${found:-nothing} is there"
done
passed=$((passed + 1))
echo "The guest made $last records durable"
echo "$passed passed, 0 failed"
