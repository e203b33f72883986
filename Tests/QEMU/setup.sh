#!/bin/bash
# Fetches a kernel as a Debian package and makes of it, and of busybox, what a small guest boots
# from, in .build/qemu; it installs nothing. Done before, it returns at once.
# Usage: Tests/QEMU/setup.sh
# Exits with 77, and says why, where the guest cannot run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=$here/../../.build/qemu
mkdir -p "$home"
home=$(cd "$home" && pwd)
PATH=$PATH:/usr/sbin:/sbin

stamp=$(cat "$here/setup.sh" "$here/init.sh" | sha256sum)
[[ $(cat "$home/stamp" 2>/dev/null) != "$stamp" ]] || exit 0

skip() {
    echo "skipped: the guest in QEMU: $1"
    exit 77
}
[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || skip 'its kernel is for x86-64 only'
for tool in qemu-system-x86_64 busybox cpio depmod; do
    command -v "$tool" >/dev/null || skip "there is no $tool: Scripts/setup.sh test installs it"
done
for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || skip "its kernel comes from Debian, and there is no $tool"
done

# One at a time; another may have done it meanwhile.
exec 9>"$home/lock"
flock 9
[[ $(cat "$home/stamp" 2>/dev/null) != "$stamp" ]] || exit 0

work=$home/new
rm -rf "$work" "$home/stamp"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/kernel" "$work/root/modules"
log=$home/setup.log
: >"$log"

# The package that holds the kernel of today is what this one depends on.
download() {
    local package
    package=$(apt-cache "$@" depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
    [[ -n $package ]] && (cd "$work" && apt-get -o Acquire::Retries=5 "$@" download "$package")
}
# The lists of a fresh machine may be absent or old, and to update them takes root: lists of our own.
own_lists=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Debug::NoLocking=1)
echo 'Fetching a kernel for the guest in QEMU'
if ! download >>"$log" 2>&1; then
    { apt-get -o Acquire::Retries=5 "${own_lists[@]}" update && download "${own_lists[@]}"; } >>"$log" 2>&1 ||
        skip "apt-get cannot download its kernel; all it said is in $log"
fi
dpkg-deb --extract "$work"/linux-image-*.deb "$work/kernel"
modules=$work/kernel/lib/modules
version=$(ls "$modules")
depmod --basedir "$work/kernel" "$version"

# Numbered in the order in which they are loaded; what is built in is none.
count=100
modprobe --dirname "$work/kernel" --set-version "$version" --all --show-depends \
    virtio_pci virtio_blk virtio_console | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
    while read -r module; do
        case $module in
            *.xz) xz --decompress --stdout "$module" ;;
            *.zst) zstd --decompress --stdout "$module" ;;
            *) cat "$module" ;;
        esac >"$work/root/modules/$count.ko"
        count=$((count + 1))
    done
install -D "$(command -v busybox)" "$work/root/bin/busybox"
install "$here/init.sh" "$work/root/init"
(cd "$work/root" && find . | cpio --quiet --create --format=newc) | gzip >"$work/initrd.gz"
mv "$work/kernel/boot/vmlinuz-$version" "$home/vmlinuz"
mv "$work/initrd.gz" "$home/initrd.gz"
rm -rf "$work"
echo "$stamp" >"$home/stamp"
echo "The guest in QEMU is ready: Linux $version"
