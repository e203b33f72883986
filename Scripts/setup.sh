#!/bin/bash
# Installs the Debian packages that a purpose needs and that are missing, each by its name.
# Usage: Scripts/setup.sh build|demo|demo-ceph|demo-mirror|demo-vm|test|bench|package
set -euo pipefail

build=(
    libdevmapper-dev   # device-mapper's header and library: block devices
    libext2fs-dev      # e2fsprogs' header and library: files in snapshots
    librbd-dev         # Ceph's headers: types of librbd and librados, which are loaded at run time
    librados-dev       # likewise
    libfuse3-dev       # libfuse's header and library: all snapshots, mounted
    libsqlite3-dev     # SQLite's header and library: the catalog
    libssl-dev         # OpenSSL's header and libcrypto: the SHA-256 of streams and seals
    libsystemd-dev     # systemd's header and library: sd-bus
    libxxhash-dev      # xxHash's header, with all of XXH3 in it: the sums of sealed chunks
    libzstd-dev        # zstd's header and library: compressed streams
    nbdkit-plugin-dev  # nbdkit's header: the NBD server's plugin
)
serve=(
    nbdkit             # the NBD server that loads the plugin
)
demo=(
    "${build[@]}" "${serve[@]}"
    e2fsprogs          # mke2fs, debugfs, e2fsck: an ext4 image made and changed without root
    libnbd-bin         # nbdcopy, nbdinfo: NBD clients
    qemu-utils         # qemu-io, qemu-img: an NBD client that writes ranges, and compares
)
guest=(
    qemu-system-x86    # a guest whose disk is served: emulated, without KVM
    busybox-static     # what runs in it
    cpio               # packs what it boots from
    kmod               # finds its modules
)
cluster=(
    ceph-mon           # a monitor: a cluster of one node, as ordinary processes
    ceph-osd           # its disk
    ceph-common        # rbd and ceph, which judge, and the libraries
)
test=(
    "${demo[@]}" "${guest[@]}" "${cluster[@]}"
    sqlite3            # writes into catalogs what nobody would
    fio                # load that verifies what it reads, over NBD
    gnutls-bin         # certtool: certificates for the server with TLS
    qemu-guest-agent   # the agent in one of those guests
    postgresql         # a database under load, on two volumes of a set
    mandoc             # lints the manual pages
    man-db             # man, which must render them without warnings
    systemd            # systemd-analyze: checks the units
    shellcheck         # lints the example hooks
    xfsprogs           # a filesystem that shares extents, for the step that root can run; mounts
    btrfs-progs        # a filesystem whose snapshots are mounted
    rsync              # compares what is mounted with what was there
    acl                # setfacl, getfacl: access lists in what is mounted
    attr               # setfattr, getfattr: extended attributes there
    fuse3              # fusermount3: mounts of ordinary users
    fuse2fs            # ext4 by a program, likewise
    ntfs-3g            # a filesystem whose names have more than 255 bytes
    samba              # smbd, which gives snapshots as previous versions
    samba-vfs-modules  # shadow_copy2, by which it does
    smbclient          # a client that asks for them
    openssh-server     # sshd, through which mirrors are run
    openssh-client     # ssh and ssh-keygen, likewise
    dbus-daemon        # a message bus of their own
    polkitd            # says who may do what there
    python3-dbus       # participants in Python
    python3-gi         # their main loop
    chromium           # the browser that the page is tested in
)
bench=(
    "${build[@]}" "${serve[@]}"
    fio                # the load of the measurements over NBD
    qemu-utils         # qemu-img commit, which a merge is compared with; qemu-io
    e2fsprogs          # mke2fs, debugfs: filesystems in volumes
    rsync              # which the comparison of files is compared with
)

package=(
    "${build[@]}" "${serve[@]}"
    debhelper          # makes the package
    debootstrap        # the Debian in which it is installed
    lintian            # what Debian asks of a package
)

purpose=${1:-}
case "$purpose" in
    build) packages=("${build[@]}") ;;
    demo) packages=("${demo[@]}") ;;
    demo-ceph) packages=("${build[@]}" "${cluster[@]}") ;;
    demo-mirror) packages=("${demo[@]}" openssh-server openssh-client) ;;
    demo-vm) packages=("${demo[@]}" "${guest[@]}") ;;
    test) packages=("${test[@]}") ;;
    bench) packages=("${bench[@]}") ;;
    package) packages=("${package[@]}") ;;
    *)
        echo "usage: $0 build|demo|demo-ceph|demo-mirror|demo-vm|test|bench|package" >&2
        exit 2
        ;;
esac

if ! command -v swift >/dev/null; then
    echo 'swift is not on the PATH. Install Swift 6.3: https://www.swift.org/install' >&2
    exit 1
fi

if ! command -v dpkg-query >/dev/null; then
    echo "This is not a Debian; install yourself what these packages hold: ${packages[*]}" >&2
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [[ $status == 'install ok installed' ]] || missing+=("$package")
done
((${#missing[@]} > 0)) || exit 0

as_root=()
if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
        echo 'Packages are missing, and there is no sudo to install them. Run as root:' >&2
        echo "    apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Installing ${missing[*]}"
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=5 "$@" >"$log" 2>&1; }
# Another apt may be updating the lists, for which this one does not wait.
update_lists() {
    local tries
    for ((tries = 0; tries < 120; tries++)); do
        if apt update; then return 0; fi
        grep -q 'Could not get lock' "$log" || return 1
        sleep 5
    done
    return 1
}
install_missing() {
    apt -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${missing[@]}"
}
# The package lists of a fresh machine may be old or absent.
if ! { update_lists && install_missing; }; then
    tail -n 20 "$log" >&2
    echo "apt-get could not install: ${missing[*]}" >&2
    exit 1
fi
