#!/bin/bash
# Makes what a small counting guest boots from, in .build/vm: the kernel of Tests/QEMU, and guest.c.
# Usage: Tests/VirtualMachine/setup.sh
# Exits with 77, and says why, where the guest cannot run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$here/../QEMU/setup.sh"
mkdir -p "$here/../../.build/vm"
home=$(cd "$here/../../.build/vm" && pwd)

skip() {
    echo "skipped: the counting guest: $1"
    exit 77
}
compiler=$(command -v "${CC:-gcc}" || command -v clang) || skip 'there is neither gcc nor clang'

exec 9>"$home/lock"
flock 9
stamp=$(cat "$here/setup.sh" "$here/guest.c" "$home/../qemu/stamp" | sha256sum)
[[ $(cat "$home/stamp" 2>/dev/null) != "$stamp" ]] || exit 0

rm -rf "$home/root"
mkdir -p "$home/root"
(cd "$home/root" && gzip --decompress --stdout ../../qemu/initrd.gz |
    cpio --quiet --extract --make-directories 'modules/*')
"$compiler" -O1 -Wall -Werror -static -o "$home/root/init" "$here/guest.c" >"$home/setup.log" 2>&1 ||
    skip "it does not compile: see $home/setup.log"
(cd "$home/root" && find . | cpio --quiet --create --format=newc) | gzip >"$home/initrd.gz"
rm -rf "$home/root"
echo "$stamp" >"$home/stamp"
