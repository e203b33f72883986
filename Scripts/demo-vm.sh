#!/bin/bash
# A virtual machine that goes back in time, memory included: a small Linux in QEMU counts in memory and writes each count to its
# two disks, which are volumes. It is snapshotted while it runs, goes back to that count, and forward again; then a copy of it
# counts beside it. The guest compares its disks with its memory all the while; a count that is not what it must be ends
# the tour with an error. Needs no root, nor a processor that virtualizes; works in a temporary folder.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH=$root/.build/release:/usr/sbin:/sbin:$PATH
"$root/Tests/VirtualMachine/setup.sh"

work=$(mktemp -d "${TMPDIR:-/tmp}/snapmgr-demo.XXXXXX")
server=
finish() {
    local status=$? process
    for process in $(cat "$work"/*.pid 2>/dev/null) $server; do kill -KILL "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
    if ((status != 0)); then echo "The demo failed (exit status $status)." >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"
export SNAPMGR_STATE=$work/state SNAPMGR_CONFIG=$work/snapmgr.toml TZ=UTC

bold='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi
say() { printf "\n# %s\n" "$*"; }
run() {
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    eval "$*"
}
fail() {
    echo "FAILED: $*" >&2
    tail -n 5 console copy 2>/dev/null >&2 || true
    exit 1
}

cp "$root/.build/qemu/vmlinuz" "$root/.build/vm/initrd.gz" .
cat >machine <<END
#!/bin/bash
cd "$work"
name=\$1 qmp=\$2 root=\$3 data=\$4
shift 4
exec qemu-system-x86_64 -machine q35,accel=tcg -m 256 -smp 1 -nodefaults -no-user-config -display none \\
    -no-reboot -kernel vmlinuz -initrd initrd.gz -append 'console=ttyS0 panic=-1 loglevel=5 no_timer_check' \\
    -chardev "file,id=console,path=\$name,append=on" -serial chardev:console -pidfile "\$name.pid" \\
    -qmp "unix:\$qmp,server=on,wait=off" \\
    -drive "file=\$root,format=raw,if=virtio,cache=none" -drive "file=\$data,format=raw,if=virtio,cache=none" "\$@"
END
chmod 755 machine
cat >snapmgr.toml <<END
[volumes.root]
[volumes.data]
[vm.vm1]
volumes = ["root", "data"]
qmp = "$work/qmp.sock"
state = true
start = ["$work/machine", "console", "qmp.sock", "nbd+unix:///root?socket=nbd.sock", "nbd+unix:///data?socket=nbd.sock", "{incoming}"]
clone-start = ["$work/machine", "copy", "{qmp}", "{disk:root}", "{disk:data}", "{incoming}"]
END

# The last count that a console has.
last() { sed -n 's/^COUNT \([0-9]*\)\r$/\1/p' "$1" | tail -n 1; }
# Waits until a console has so many more counts.
counts() {
    local from now deadline=$((SECONDS + 90))
    from=$(wc -l <"$1")
    until now=$(wc -l <"$1") && ((now >= from + $2)); do
        ((SECONDS < deadline)) || fail "$1: the guest stands still"
        sleep 0.02
    done
    if grep -qE 'GUEST ERROR|I/O error|Kernel panic' "$1"; then fail "$1: an error in the guest"; fi
}
# Behind a line of a console, there comes a count from one number to another, which is where it goes on.
goes_on() {
    local first deadline=$((SECONDS + 90))
    until first=$(tail -n "+$(($2 + 1))" "$1" | awk -v low="$3" -v high="$4" \
        '/^COUNT [0-9]+\r$/ { n = $2 + 0; if (n >= low && n <= high + 1) { print n; exit } }') && [[ -n $first ]]; do
        ((SECONDS < deadline)) || fail "$1: it does not go on at $3 to $4"
        sleep 0.02
    done
    echo "  the guest of \`$1\` goes on at $first"
}

say 'Two volumes, and a VM that has them for disks. Its settings say how its monitor is reached, and what starts it.'
run 'cat snapmgr.toml'
run 'snapmgr volume create root --origin root.img --create-size 8M -q'
run 'snapmgr volume create data --origin data.img --create-size 8M -q'
: >console
snapmgr serve --socket nbd.sock >server.log 2>&1 &
server=$!
for ((tries = 0; tries < 200; tries++)); do
    if [[ -S nbd.sock ]]; then break; fi
    sleep 0.05
done
./machine console qmp.sock 'nbd+unix:///root?socket=nbd.sock' 'nbd+unix:///data?socket=nbd.sock' >qemu.log 2>&1 &
counts console 20
echo "  the guest counts: $(last console)"

say 'A snapshot of both disks and the memory, at one instant, while it runs.'
low=$(last console)
run 'snapmgr snapshot vm1 --name before'
high=$(last console)
run 'snapmgr show vm1@before'

say 'The guest goes on.'
counts console 100
echo "  the guest counts: $(last console)"

say 'Back to that moment. Its memory and its disks are those of then: it counts on from there, and has seen no crash.'
run 'snapmgr revert vm1@before --dry-run'
lines=$(wc -l <console)
later=$(last console)
run 'snapmgr revert vm1@before'
goes_on console "$lines" "$low" "$high"

say 'What it left was kept, with its memory, and is where it goes forward to.'
safety=$(snapmgr list root --kind safety -o set_id --sort id | tail -n 1 | tr -dc '0-9')
lines=$(wc -l <console)
run "snapmgr revert set:$safety"
goes_on console "$lines" "$later" $((later + 500))

say 'A copy of then beside it, on clones, without a network.'
run 'snapmgr vm clone vm1@before trial'
goes_on copy 0 "$low" "$high"
counts console 10
echo "  the VM itself counts: $(last console)"
run 'snapmgr vm list'
run 'snapmgr vm stop trial'
counts console 10
echo "  the VM itself counts: $(last console)"
