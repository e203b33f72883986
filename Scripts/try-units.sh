#!/bin/bash
# Runs the installed units under a real systemd: as process 1 of namespaces of its own, on an
# overlay of this machine's files that is thrown away. Takes three minutes, since timers run in real time.
# Needs root, systemd 252 or newer, overlayfs and cgroups v2; says "skipped" where they are missing.
# Usage: Scripts/try-units.sh [FOLDER]     with snapmgr and its plugin; default .build/release
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() {
    echo "skipped: $1"
    exit 0
}

((EUID == 0)) || skip 'only root can start a systemd of its own'
[[ -x /usr/lib/systemd/systemd ]] || skip 'there is no systemd'
grep -q overlay /proc/filesystems || skip 'the kernel has no overlayfs'
groups=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
[[ -n $groups ]] || skip 'no cgroup2 filesystem is mounted'

binaries=$(realpath "${1:-.build/release}")
work=$(mktemp -d)
mkdir "$work/mount" "$work/shared"
make --no-print-directory install-data DESTDIR="$work/installed" PREFIX=/usr/local
cp Scripts/try-units-inside.sh "$work/shared/"

# systemd sees its own part of the tree of cgroups only.
group=$groups/snapmgr-try-units.$$
mkdir "$group" 2>/dev/null || skip "no cgroup can be made in $groups"
home=$groups$(sed -n 's/^0:://p' /proc/self/cgroup)
clean_up() {
    # Back to where this process came from, so that the group is empty.
    echo $$ >"$home/cgroup.procs"
    find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
echo $$ >"$group/cgroup.procs"

# Runs as the first process of the namespaces, and becomes systemd.
boot() {
    local work=$1 binaries=$2 root=$1/mount/root name
    mount --make-rprivate /
    mount -t tmpfs -o size=2g none "$work/mount"
    mkdir "$work/mount/upper" "$work/mount/work" "$root"
    mount -t overlay \
        -o "lowerdir=/,upperdir=$work/mount/upper,workdir=$work/mount/work" none "$root"
    cd "$root"
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 none dev
    mkdir dev/pts dev/shm
    for name in null zero full random urandom tty; do cp -a "/dev/$name" dev/; done
    # What the system writes on its console is nobody's business here.
    mknod dev/console c 1 3
    ln -s /proc/self/fd dev/fd
    ln -s pts/ptmx dev/ptmx
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
    mount -t tmpfs none dev/shm
    mount -t tmpfs -o mode=755 none run
    mkdir -p srv usr/local/bin usr/local/lib/snapmgr
    mount -t tmpfs -o mode=755 none srv
    mkdir srv/shared
    mount --bind "$work/shared" srv/shared
    cp -R "$work/installed/." .
    mount --bind "$binaries" usr/local/lib/snapmgr
    ln -sf ../lib/snapmgr/snapmgr usr/local/bin/snapmgr
    rm -rf etc/systemd/system/*.wants etc/snapmgr var/lib/snapmgr
    tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
    cat >etc/systemd/system/try-units.service <<'UNIT'
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash /srv/shared/try-units-inside.sh
StandardOutput=append:/srv/shared/output
StandardError=append:/srv/shared/output
ExecStopPost=/bin/systemctl exit --no-block
UNIT
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        chroot . /usr/lib/systemd/systemd systemd.unit=try-units.service --log-target=journal
}
export -f boot

status=0
timeout --kill-after=10 400 unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup \
    bash -euc 'boot "$@"' boot "$work" "$binaries" >"$work/boot" 2>&1 || status=$?
if [[ ! -s $work/shared/output ]]; then
    cat "$work/boot"
    skip "systemd does not come up in namespaces here (status $status)"
fi
cat "$work/shared/output"
tail -n 1 "$work/shared/output" | grep -q ' 0 failed$'
