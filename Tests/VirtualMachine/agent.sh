#!/bin/bash
# A real guest agent of QEMU's in a small Linux that writes to an ext4 on a served volume. A snapshot that
# says `fs` holds a filesystem that needs no recovery, which one of a filesystem in use does; and one that
# says less says why.
# Usage: Tests/VirtualMachine/agent.sh
# Exits with 77, and says why, where the guest cannot run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$here/../QEMU/setup.sh"
build=$(cd "$here/../../.build" && pwd)
home=$build/vm
mkdir -p "$home"
PATH=$PATH:/usr/sbin:/sbin
snapmgr=$build/release/snapmgr
patience=600

skip() {
    echo "skipped: the guest with an agent: $1"
    exit 77
}
agent=$(command -v qemu-ga) || skip 'there is no qemu-ga: Scripts/setup.sh test installs it'
for tool in mke2fs dumpe2fs busybox cpio; do
    command -v "$tool" >/dev/null || skip "there is no $tool: Scripts/setup.sh test installs it"
done

folder=$(mktemp -d)
server=
finish() {
    local process
    for process in $(cat "$folder/qemu.pid" 2>/dev/null) $server; do
        kill -KILL "$process" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
cd "$folder"

mkdir -p root/bin root/run root/mnt root/modules
gzip --decompress --stdout "$build/qemu/initrd.gz" | (cd root && cpio --quiet --extract --make-directories 'modules/*')
cp "$(command -v busybox)" root/bin/busybox
cp --parents "$agent" root
mv "root$agent" root/bin/qemu-ga
ldd "$agent" | grep -o '/[^ ]*' | while IFS= read -r library; do cp --parents --dereference "$library" root; done
cat >root/init <<'END'
#!/bin/busybox sh
/bin/busybox mkdir -p /dev /proc /sys /sbin /run /mnt
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in /modules/*.ko; do insmod "$module"; done
until [ -b /dev/vda ]; do sleep 0.1; done
mount -t ext4 /dev/vda /mnt || echo GUEST ERROR no filesystem
port=
until [ -n "$port" ]; do
    for name in /sys/class/virtio-ports/*/name; do
        [ "$(cat "$name" 2>/dev/null)" = org.qemu.guest_agent.0 ] && port=$(basename "$(dirname "$name")")
    done
    sleep 0.1
done
qemu-ga -m virtio-serial -p "/dev/$port" -t /run -f /run/qga.pid >/run/qga.log 2>&1 &
number=0
while true; do
    number=$((number + 1))
    dd if=/dev/zero of="/mnt/file$((number % 8))" bs=4096 count=4 conv=fsync 2>/dev/null || echo GUEST ERROR
    echo "COUNT $number"
done
END
chmod 755 root/init
(cd root && find . | cpio --quiet --create --format=newc) | gzip -1 >initrd.gz

export SNAPMGR_STATE=$folder/state
export SNAPMGR_CONFIG=$folder/snapmgr.toml
cat >snapmgr.toml <<END
[volumes.data]
[vm.vm1]
volumes = ["data"]
qmp = "$folder/qmp.sock"
agent = "$folder/qga.sock"
END
passed=0
fail() {
    echo "FAILED: $1"
    tail -n 20 console server.log 2>/dev/null || true
    echo "$passed passed, 1 failed"
    exit 1
}
truncate --size 16M data.img
mke2fs -q -t ext4 data.img
"$snapmgr" volume create data --origin data.img --chunk 16K >/dev/null
"$snapmgr" serve --socket nbd.sock >server.log 2>&1 &
server=$!
until [[ -S nbd.sock ]]; do sleep 0.05; done
: >console
qemu-system-x86_64 -machine q35,accel=tcg -m 256 -smp 1 -nodefaults -no-user-config -display none \
    -no-reboot -kernel "$build/qemu/vmlinuz" -initrd initrd.gz -pidfile qemu.pid \
    -append 'console=ttyS0 panic=-1 loglevel=5 no_timer_check' -serial file:console \
    -qmp unix:qmp.sock,server=on,wait=off -device virtio-serial-pci \
    -chardev socket,path=qga.sock,server=on,wait=off,id=qga0 \
    -device virtserialport,chardev=qga0,name=org.qemu.guest_agent.0 \
    -drive "file=nbd+unix:///data?socket=nbd.sock,format=raw,if=virtio" >qemu.log 2>&1 &

count() { sed -n 's/^COUNT \([0-9]*\)\r$/\1/p' console | tail -n 1; }
await_counts() {
    local before deadline=$((SECONDS + patience))
    before=$(count)
    until (($(count) + 0 >= ${before:-0} + 5)); do
        ((SECONDS < deadline)) || fail "the guest stands still: $1"
        sleep 0.05
    done
    if grep -qE 'GUEST ERROR|Kernel panic' console; then fail "an error in the guest: $1"; fi
}
await_counts 'at first'
deadline=$((SECONDS + patience))
until "$snapmgr" vm show vm1 --json | grep -q '"agent_answers":true'; do
    ((SECONDS < deadline)) || fail "the agent does not answer: $("$snapmgr" vm show vm1)"
    sleep 0.2
done
field() { grep -o "\"$1\":[^,}]*" | head -n 1 | cut -d : -f 2- | tr -d '"'; }

for ((round = 1; round <= 5; round++)); do
    await_counts "before round $round"
    # A machine that is busy may keep QEMU from answering in the time that it is given: the snapshot says so, and is
    # taken again.
    for ((attempt = 0; attempt < 5; attempt++)); do
        "$snapmgr" snapshot data --json >taken 2>err || fail "snapshot: $(cat err)"
        grep -q 'in time' taken || break
    done
    [[ $(field consistency <taken) == fs ]] || fail "it is not fs: $(cat taken err)"
    [[ $(field frozen_us <taken) =~ ^[0-9]+$ ]] || fail "for how long? $(cat taken)"
    "$snapmgr" export "$(field id <taken)" "fs$round.img" >/dev/null
    if dumpe2fs -h "fs$round.img" 2>/dev/null | grep -q needs_recovery; then
        fail "round $round: the filesystem was in use"
    fi
    passed=$((passed + 1))
done

# Without the agent it is in use, and nobody says otherwise.
sed -i '/^agent/d' snapmgr.toml
await_counts 'before the last one'
"$snapmgr" snapshot data --json >taken 2>/dev/null || fail 'a snapshot without an agent'
[[ $(field consistency <taken) == crash ]] || fail "without an agent: $(cat taken)"
"$snapmgr" export "$(field id <taken)" crash.img >/dev/null
dumpe2fs -h crash.img 2>/dev/null | grep -q needs_recovery || fail 'a filesystem in use needs no recovery?'
await_counts 'after all'
passed=$((passed + 1))
echo "$passed passed, 0 failed"
