#!/bin/bash
# A Ceph cluster of one node and two images in it: a schedule, a set, what has changed, a revert of closed images, and
# its undo. Each state is compared by its SHA-256, as `rbd export` reads it; one that differs ends the tour with an error.
# No root is needed. Works in a temporary folder, on 127.0.0.1.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH=$root/.build/release:/usr/sbin:/sbin:$PATH

work=$(mktemp -d "${TMPDIR:-/tmp}/snapmgr-demo.XXXXXX")
finish() {
    local status=$?
    "$root/Tests/Ceph/cluster.sh" stop "$work/cluster" >/dev/null 2>&1 || true
    rm -rf "$work" 2>/dev/null || true
    if ((status != 0)); then echo "The demo failed (exit status $status)." >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"
export SNAPMGR_STATE=$work/state SNAPMGR_CONFIG=$work/snapmgr.toml TZ=UTC
export CEPH_CONF=$work/cluster/ceph.conf CEPH_ARGS=

bold='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi
say() { printf "\n# %s\n" "$*"; }
run() {
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    eval "$*"
}
# fill IMAGE BYTE OFFSET COUNT: a client of Ceph's own writes, and closes the image.
fill() {
    run "rbd bench --io-type write --io-pattern seq --io-size 64K --io-threads 1 --io-total $2 $1 >rbd.log 2>&1"
}
digest() { rbd export --no-progress "$1" - | sha256sum; }
same() {
    [[ $(digest "$1") == "$2" ]]
    echo "  $1 is what it was $3"
}

say 'A cluster of one monitor and one OSD, as ordinary processes, and two images.'
"$root/Tests/Ceph/cluster.sh" start "$work/cluster" >cluster.log 2>&1 || {
    status=$?
    cat cluster.log
    if ((status == 77)); then exit 0; fi
    exit "$status"
}
for image in root logs; do
    run "rbd create --size 64M --image-feature layering,exclusive-lock,object-map,fast-diff rbd/$image"
done
fill root 4M
fill logs 2M

say 'Both under snapshots, with a schedule for the one, and a set of both.'
cat >snapmgr.toml <<'TOML'
[volumes.root]
schedules = ["each-minute"]
policy = "short"

[volumes.logs]

[sets.vm]
volumes = ["root", "logs"]

[schedules.each-minute]
every = "1m"

[policies.short]
last = 8
hourly = 24
TOML
run 'cat snapmgr.toml'
run "snapmgr volume create root --origin rbd:rbd/root --ceph-conf $CEPH_CONF"
run "snapmgr volume create logs --origin rbd:rbd/logs --ceph-conf $CEPH_CONF"
run 'snapmgr tick'
run 'snapmgr snapshot vm --name before-upgrade'
echo '  the next slot of the schedule is a full minute'
sleep $((61 - 10#$(date +%S)))
run 'snapmgr tick'
run 'snapmgr list root logs'
run 'rbd snap ls rbd/root'
before_root=$(digest rbd/root) before_logs=$(digest rbd/logs)

say 'An upgrade writes to both.'
fill root 8M
fill logs 6M
after_root=$(digest rbd/root)
[[ $after_root != "$before_root" ]]
run 'snapmgr snapshot vm --name after-upgrade'
run 'snapmgr diff root@before-upgrade root@after-upgrade | tail -n 3'
run 'snapmgr changed root@before-upgrade root@after-upgrade | cut -c -150'

say 'Back, with the images closed: only what differs is copied, and a safety snapshot is taken first.'
run 'snapmgr revert vm@before-upgrade'
same rbd/root "$before_root" before
same rbd/logs "$before_logs" before
run 'snapmgr list root'

say 'And forward again: to the safety snapshot.'
safety=$(snapmgr list root --kind safety --json | sed -n 's/.*"id":\([0-9]*\),"volume":"root".*/\1/p')
run "snapmgr revert $safety"
same rbd/root "$after_root" 'after the upgrade'
run 'snapmgr check'
