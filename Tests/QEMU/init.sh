#!/bin/busybox sh
# shellcheck shell=dash
# The guest's only program: writes record after record to its disk, each made durable before it is
# said. Record N lies in cell N mod 256; whatever fails is said, too.
/bin/busybox mkdir -p /dev /proc /sys /sbin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in /modules/*.ko; do insmod "$module"; done
until [ -b /dev/vda ]; do sleep 0.1; done
echo GUEST READY
number=0
while true; do
    number=$((number + 1))
    printf '%-4096s' "record $number" |
        dd of=/dev/vda bs=4096 seek=$((number % 256)) conv=notrunc,fsync 2>/tmp-errors ||
        { echo "GUEST ERROR at $number"; cat /tmp-errors; }
    echo "DURABLE $number"
done
