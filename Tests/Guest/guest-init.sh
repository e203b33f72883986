#!/bin/bash
# The guest's first process, which run.sh makes it start; never to be run on a machine.
# Turns the machine's files, read-only here, into a root that can be written and is thrown away, runs
# the command, and leaves its status for run.sh.
exec </dev/null
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb

[[ $$ -eq 1 && -n ${guest_run:-}${1:-} ]] || {
    echo 'guest-init.sh is for a guest only' >&2
    exit 1
}

# From run.sh's /run/vm/config.
home='' modules='' udev='' shared=()

power_off() {
    sync
    "$home/layer/usr/bin/busybox" poweroff -f
    sleep 10
}
die() {
    echo "guest: $*" >&2
    echo 125 >/run/vm/status
    power_off
}

if [[ ${1:-} != inside ]]; then
    mount -n -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/layer /run/top /run/work /run/new /run/vm
    # Without its folder nothing can be told to anyone: the kernel's panic ends the guest.
    mount -n -t hostfs -o "$guest_run" none /run/vm || exit 1
    # shellcheck source=/dev/null
    . /run/vm/config
    busybox=$home/layer/usr/bin/busybox
    # A second mount of the machine's files: overlayfs refuses layers that lie in one another.
    mount -n -t hostfs -o "$home/layer" none /run/layer
    "$busybox" insmod "/run/layer/usr/lib/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko" ||
        die 'there is no overlayfs'
    mount -n -t overlay -o lowerdir=/run/layer:/,upperdir=/run/top,workdir=/run/work overlay \
        /run/new || die 'the root cannot be mounted'
    cd /run/new || die 'there is no root'
    mkdir -p old
    mount -n --move /dev dev
    mount -n -t proc proc proc
    mount -n -t sysfs sysfs sys
    mount -n -t tmpfs -o mode=755 tmpfs run
    mkdir -p run/vm run/lock run/dbus dev/pts dev/shm
    mount -n --move /run/vm run/vm
    mount -n -t devpts devpts dev/pts
    mount -n -t tmpfs tmpfs dev/shm
    # devtmpfs does not make these.
    ln -s /proc/self/fd dev/fd
    ln -s fd/0 dev/stdin
    ln -s fd/1 dev/stdout
    ln -s fd/2 dev/stderr
    for folder in ${shared[@]+"${shared[@]}"}; do
        mkdir -p ".$folder"
        mount -n -t hostfs -o "$folder" none ".$folder" || die "cannot share $folder"
    done
    "$busybox" pivot_root . old 2>/dev/null || die 'the root cannot be changed'
    exec chroot . /bin/bash /run/vm/guest-init.sh inside
fi

# shellcheck source=/dev/null
. /run/vm/config
umount -n -l /old 2>/dev/null
hostname snapmgr-guest 2>/dev/null
"$home/layer/usr/bin/busybox" ifconfig lo up 2>/dev/null
for module in $modules; do modprobe "$module" || die "cannot load the module $module"; done
if [[ -n $udev ]]; then
    /usr/lib/systemd/systemd-udevd --daemon || die 'udev does not start'
    udevadm trigger --action=add --subsystem-match=block
    udevadm settle --timeout=120 || die 'udev does not settle'
fi
# Raw channels to run.sh's standard output and error.
stty -F /dev/tty1 raw -echo
stty -F /dev/tty2 raw -echo
setsid bash /run/vm/command >/dev/tty1 2>/dev/tty2
status=$?
# These wait until the output has left.
stty -F /dev/tty1 raw -echo
stty -F /dev/tty2 raw -echo
echo $status >/run/vm/status
power_off
