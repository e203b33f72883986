#!/bin/bash
# A filesystem of the kernel's on a served volume, mounted through qemu-nbd, which connects again: the
# server is stopped, killed and started while files are written and synced. No error in the kernel,
# all that was told is durable is there, and the filesystem is clean.
# What is done here is docs/operations.md's recipe.
# Usage: Tests/Guest/reconnect.sh     SNAPMGR_RECONNECT_ROUNDS=N instead of 3
# Exits with 77, and says why, where the guest cannot run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

outside() {
    local status=0
    "$here/setup.sh"
    command -v qemu-nbd >/dev/null || {
        echo 'skipped: there is no qemu-nbd (package qemu-utils)'
        exit 77
    }
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    "$here/run.sh" -t 1500 -M nbd -w "$folder" \
        -e "SNAPMGR_RECONNECT_ROUNDS=${SNAPMGR_RECONNECT_ROUNDS:-3}" \
        -- "$here/reconnect.sh" inside "$folder" || status=$?
    ((status == 0)) || tail -n 20 "$folder/server.log"
    return "$status"
}

# How long files may stand still, in seconds, before that is a failure.
patience=300
passed=0
fail() {
    echo "FAILED: $1"
    dmesg | tail -n 15
    echo "$passed passed, 1 failed"
    exit 1
}

start_server() {
    "$build/snapmgr" serve data --socket "$PWD/nbd.sock" >>server.log 2>&1 &
    server=$!
}

await() { # await WHAT COMMAND...: until the command succeeds
    local what=$1 deadline=$((SECONDS + patience))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || fail "$what"
        sleep 0.1
    done
}

write_files() {
    local number=0
    # Whoever ends it waits: a program that was left behind would keep the filesystem busy.
    while [[ ! -e /tmp/stop ]]; do
        number=$((number + 1))
        { echo "$number" >mnt/new && sync mnt/new && mv mnt/new mnt/count && sync mnt; } || {
            echo "an error at $number" >/tmp/failed
            break
        }
        echo "$number" >/tmp/durable.new
        mv /tmp/durable.new /tmp/durable
    done
}
has_more_than() { (($(cat /tmp/durable) > $1)); }

restart() { # restart SIGNAL
    kill "-$1" "$server"
    wait "$server" 2>/dev/null || true
    local before
    before=$(cat /tmp/durable)
    start_server
    await "nothing is written after $1" has_more_than "$((before + 3))"
    [[ ! -e /tmp/failed ]] || fail "the filesystem: $(cat /tmp/failed) after $1"
    if dmesg | grep -qE 'I/O error|EXT4-fs error'; then fail "the kernel has met an error after $1"; fi
    passed=$((passed + 1))
}

inside() {
    cd "$1"
    build=$(cd "$here/../../.build/release" && pwd)
    export SNAPMGR_STATE=$PWD/state
    "$build/snapmgr" volume create data --origin data.img --create-size 64M --chunk 16K >/dev/null
    start_server
    await 'there is no server' test -S nbd.sock
    qemu-nbd --connect=/dev/nbd0 --format=raw --cache=none --discard=unmap \
        'json:{"driver": "raw", "file": {"driver": "nbd", "export": "data", "reconnect-delay": 300,
               "server": {"type": "unix", "path": "'"$PWD/nbd.sock"'"}}}' &
    client=$!
    is_connected() { (($(cat /sys/block/nbd0/size) > 0)); }
    await 'qemu-nbd does not connect' is_connected
    mkfs.ext4 -q /dev/nbd0
    mkdir mnt
    mount /dev/nbd0 mnt
    echo 0 >/tmp/durable
    write_files &
    writer=$!
    await 'nothing is written' has_more_than 3
    for ((round = 0; round < SNAPMGR_RECONNECT_ROUNDS; round++)); do
        "$build/snapmgr" snapshot data >/dev/null
        restart TERM
        restart KILL
    done
    touch /tmp/stop
    wait "$writer"
    [[ ! -e /tmp/failed ]] || fail "the filesystem: $(cat /tmp/failed) at the end"
    (($(cat mnt/count) >= $(cat /tmp/durable))) || fail 'what was durable is gone'
    umount mnt
    fsck.ext4 -fn /dev/nbd0 >fsck.log 2>&1 || fail "the filesystem is damaged: $(cat fsck.log)"
    qemu-nbd --disconnect /dev/nbd0 >/dev/null
    wait "$client" || true
    kill -TERM "$server"
    wait "$server" || fail 'the server did not end well'
    "$build/snapmgr" check data --data >check.log || fail "the volume is damaged: $(cat check.log)"
    echo "$((passed + 1)) passed, 0 failed"
}

if [[ ${1:-} == inside ]]; then inside "$2"; else outside; fi
