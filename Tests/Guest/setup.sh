#!/bin/bash
# Fetches what the guest is made of, as Debian packages, into .build/guest, and unpacks it there; it
# installs nothing and needs no root. Done before, it returns at once.
# Usage: Tests/Guest/setup.sh
# Exits with 77, and says why, where the guest cannot run.
set -euo pipefail

packages=(
    user-mode-linux         # a Linux kernel that is an ordinary program, and its modules
    busybox-static          # insmod, pivot_root and poweroff before there is a root filesystem
    kmod libkmod2           # modprobe
    dmsetup                 # for people who look into a guest, and the rules for udev
    libdevmapper1.02.1      # what snapmgr is linked with
    lvm2 liblvm2cmd2.03     # logical volumes, as origins
    libdevmapper-event1.02.1 dmeventd libaio1   # what lvm2 needs
    thin-provisioning-tools # checks thin pools
    nbd-client libnl-3-200 libnl-genl-3-200     # block devices over NBD
    udev                    # the device manager, for suites that want one
    e2fsprogs               # ext4: mkfs, fsck
    xfsprogs libinih1 liburcu8 libedit2 libbsd0 # XFS: mkfs, repair
    sqlite3 libsqlite3-0 libreadline8 # a database, as a load
)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${SNAPMGR_GUEST_HOME:-$here/../../.build/guest}
mkdir -p "$home"
home=$(cd "$home" && pwd)

# What the content of the folder was made by.
stamp=$(cat "$here/setup.sh" "$here/uml-shim.c" | sha256sum)
[[ $(cat "$home/stamp" 2>/dev/null) != "$stamp" ]] || exit 0

skip() {
    echo "skipped: the guest for tests on a real kernel: $1"
    exit 77
}
fail() {
    echo "The guest could not be set up: $1" >&2
    exit 1
}
[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] || skip 'User-mode Linux is for x86-64 only'
for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || skip "its packages come from Debian, and there is no $tool"
done
compiler=$(command -v "${CC:-gcc}" || command -v clang) || fail 'there is neither gcc nor clang'

# One at a time; another may have done it meanwhile.
exec 9>"$home/lock"
flock 9
[[ $(cat "$home/stamp" 2>/dev/null) != "$stamp" ]] || exit 0

work=$home/new
rm -rf "$work" "$home/stamp"
mkdir -p "$work/packages" "$work/lists/partial" "$work/cache/archives/partial" "$work/layer"
log=$home/setup.log

download() { (cd "$work/packages" && apt-get -o Acquire::Retries=5 "$@" download "${packages[@]}"); }
# The lists of a fresh machine may be absent or old, and to update them takes root: lists of our own.
own_lists=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Debug::NoLocking=1)
echo "Fetching ${#packages[@]} packages for the test guest"
if ! download >"$log" 2>&1; then
    if ! { apt-get -o Acquire::Retries=5 "${own_lists[@]}" update && download "${own_lists[@]}"; } >>"$log" 2>&1; then
        grep -E '^(E|Err|W):' "$log" | sort -u | tail -n 10 >&2
        fail "apt-get cannot download its packages; is there a network? All it said: $log"
    fi
fi

for package in "${packages[@]}"; do
    dpkg-deb --fsys-tarfile "$work/packages/${package}"_*.deb | tar -x -C "$work/layer" \
        --no-same-owner --exclude='./usr/share/doc' --exclude='./usr/share/man' \
        --exclude='./usr/share/locale'
done
# The guest lays this folder over the machine's own files. There, /sbin is a link to /usr/sbin; a
# plain folder of that name would hide it.
for folder in bin sbin lib; do
    [[ -d $work/layer/$folder ]] || continue
    mkdir -p "$work/layer/usr/$folder"
    cp -a "$work/layer/$folder/." "$work/layer/usr/$folder/"
    rm -rf "${work:?}/layer/$folder"
done
mkdir -p "$work/layer/usr/lib/modules"
mv "$work"/layer/usr/lib/uml/modules/* "$work/layer/usr/lib/modules/"
mv "$work/layer/usr/bin/linux.uml" "$work/linux.uml"
"$compiler" -O2 -Wall -Werror -shared -fPIC -o "$work/uml-shim.so" "$here/uml-shim.c" >>"$log" 2>&1 ||
    fail "uml-shim.c does not compile: see $log"

rm -rf "$home/layer"
mv "$work/layer" "$work/linux.uml" "$work/uml-shim.so" "$home/"
rm -rf "$work"
echo "$stamp" >"$home/stamp"
echo "The test guest is ready: Linux $("$home/linux.uml" --version)"
