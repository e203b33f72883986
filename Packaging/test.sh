#!/bin/bash
# Makes the Debian package, and installs, uses, upgrades, removes and purges it in a Debian of its own.
# Root, and a mirror of Debian's, are needed; else it says so and ends with 0.
# Usage: Packaging/test.sh BINARIES     the folder of the program and its plugin
#
# The bare Debian stays in .build/package-root, so that the next run takes less.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binaries=$(realpath "${1:-.build/release}")
base=$PWD/.build/package-root
if ((EUID != 0)); then
    echo 'skipped: the package is installed by root only'
    exit 0
fi

# Mounts of its own, which go with it.
if [[ -z ${SNAPMGR_OWN_MOUNTS:-} ]]; then
    export SNAPMGR_OWN_MOUNTS=1
    exec unshare --mount --propagation private "$PWD/Packaging/test.sh" "$binaries"
fi

work=$(mktemp -d)
root=$work/root
clean_up() {
    if [[ -n ${server:-} ]]; then kill "$server" 2>/dev/null || true; fi
    for mount in run dev sys proc ''; do umount --lazy "$root/$mount" 2>/dev/null || true; done
    umount "$work/upper" 2>/dev/null || true
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT

passed=0
failed=0
# check WHAT COMMAND...: counts, and goes on.
check() {
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $what"
        tail -n 20 "$work/said"
    fi
}
not() { ! "$@"; }

# What is built for tests finds Swift's library where the toolchain is; what is released has it within
# itself.
swift_runtime=
if ldd "$binaries/snapmgr" | grep -q libswiftCore; then
    swift_runtime=$(ldd "$binaries/snapmgr" | sed -nE 's,.* => (/.*)/libswiftCore\.so .*,\1,p')
    export SNAPMGR_SHLIBS_OPTIONS="--ignore-missing-info -l$swift_runtime"
fi

# MARK: what is made

# Compression takes minutes, and is dpkg's.
export SNAPMGR_DEB_OPTIONS=-z0
old=$(Packaging/deb.sh "$binaries" "$work/old")
again=$(Packaging/deb.sh "$binaries" "$work/again")
new=$(SNAPMGR_PACKAGE_VERSION=99.1 Packaging/deb.sh "$binaries" "$work/new")
check 'two builds are the same, bit by bit' cmp "$old" "$again"
# Where Swift's library is in a build for tests.
untrue=${swift_runtime:+--suppress-tags=custom-library-search-path}
check 'lintian finds nothing' lintian --allow-root --fail-on error,warning ${untrue:+"$untrue"} "$old"
dpkg-deb --contents "$old" >"$work/contents"
for name in usr/bin/snapmgr nbdkit/plugins/nbdkit-snapmgr-plugin.so lib/systemd/system/snapmgr-serve@.service \
    lib/udev/rules.d/65-snapmgr.rules etc/snapmgr/conf.d/ man1/snapmgr.1.gz man5/snapmgr.toml.5.gz \
    bash-completion/completions/snapmgr vendor-completions/_snapmgr vendor_completions.d/snapmgr.fish \
    examples/vm-host.toml examples/alerts/snapmgr.rules.yml examples/grafana/snapmgr.json tmpfiles.d/snapmgr.conf doc/snapmgr/copyright doc/snapmgr/changelog.gz; do
    check "$name is in it" grep -q "$name" "$work/contents"
done
dpkg-deb --fsys-tarfile "$old" | tar -xO ./lib/systemd/system >"$work/units" || true
check 'units name the program that is in it' grep -q /usr/bin/snapmgr "$work/units"
check 'and no other' not grep -q /usr/local "$work/units"

# MARK: a Debian

if [[ ! -e $base/.done ]]; then
    rm -rf --one-file-system "$base"
    if ! debootstrap --variant=minbase bookworm "$base" >"$work/debootstrap" 2>&1; then
        tail -n 3 "$work/debootstrap"
        rm -rf --one-file-system "$base"
        echo 'skipped: a Debian cannot be had from here'
        echo "$passed passed, $failed failed"
        exit $((failed > 0))
    fi
    touch "$base/.done"
fi
mkdir -p "$root" "$work/upper" "$work/work"
mount -t tmpfs none "$work/upper"
mkdir "$work/upper/data" "$work/upper/work"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/upper/data,workdir=$work/upper/work" "$root"
for folder in proc sys dev; do mount --rbind "/$folder" "$root/$folder"; done
mount -t tmpfs none "$root/run"
cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
if [[ -n $swift_runtime ]]; then
    mkdir -p "$root$swift_runtime"
    cp "$swift_runtime"/*.so "$root$swift_runtime/"
fi
enter=(
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
    DEBIAN_FRONTEND=noninteractive
)
inside() { "${enter[@]}" "$@"; }
cp "$old" "$root/old.deb"
cp "$new" "$root/new.deb"

# MARK: installed

inside apt-get update -qq >"$work/update" 2>&1 || true
check 'it is installed with what it needs' inside apt-get install -y -qq --no-install-recommends /old.deb
version=$(dpkg-deb -f "$old" Version)
check 'it runs, and tells its version' grep -q "snapmgr" <(inside snapmgr --version)
for timer in tick prune; do
    check "the timer of $timer is enabled" inside test -L "/etc/systemd/system/timers.target.wants/snapmgr-$timer.timer"
done
check 'no server is' not inside sh -c 'ls /etc/systemd/system/multi-user.target.wants/snapmgr-*'
check 'there are no settings yet' inside snapmgr config check

# MARK: three commands, as README has them

inside truncate -s 64M /srv/vm1.img
first=$(sed -nE 's/^    (snapmgr setup [^ ]*).*/\1/p' README.md | head -n 1)
second=$(sed -nE 's/^    (snapmgr snapshot vm1)$/\1/p' README.md | head -n 1)
check 'README names them' test -n "$first" -a -n "$second"
check 'the first sets it up' inside sh -c "$first"
check 'the second takes a snapshot' inside sh -c "$second"
check 'which is there' grep -q '"volume":"vm1"' <(inside snapmgr list vm1 --json)
check 'its settings are right' inside snapmgr config check
check 'again changes nothing' grep -q 'was there' <(inside sh -c "$first")
inside mkdir -p /run/snapmgr
# Each of these programs becomes the next one, and the last of them nbdkit.
"${enter[@]}" snapmgr serve vm1 --socket /run/snapmgr/vm1.sock >"$work/serve" 2>&1 &
server=$!
for ((tries = 0; tries < 100; tries++)); do
    if [[ -S $root/run/snapmgr/vm1.sock ]]; then break; fi
    sleep 0.1
done
served() { inside snapmgr status | grep -qF 'nbd+unix:///vm1?socket=/run/snapmgr/vm1.sock'; }
check 'it is served, and status says where' served
check 'nbdkit knows the plugin by its name' inside nbdkit snapmgr --version

# MARK: upgraded, under a server

check 'an upgrade goes through' inside dpkg -i /new.deb
check 'the server was not touched' kill -0 "$server"
check 'and serves' inside snapmgr snapshot vm1
check 'an older package is refused' not inside dpkg -i /old.deb
check 'the newer one stays, whole' grep -q 'install ok installed 99.1' \
    <(inside dpkg-query -W -f "\${Status} \${Version}" snapmgr)
check 'the older one is taken by who insists' inside env SNAPMGR_ALLOW_DOWNGRADE=1 dpkg -i /old.deb
check 'and is there' grep -qF "$version" <(inside dpkg-query -W -f "\${Version}" snapmgr)
kill "$server"

# MARK: gone

check 'the newer one is taken again' inside dpkg -i /new.deb
check 'it is removed' inside dpkg --remove snapmgr
check 'an older one is refused after that, too' not inside dpkg -i /old.deb
check 'with its programs' not inside test -e /usr/bin/snapmgr
check 'and not with its settings' inside test -e /etc/snapmgr/conf.d/vm1.toml
# What setup writes where systemd runs, and what an administrator puts beside it.
drop_ins=/etc/systemd/system/snapmgr-serve@vm1.service.d
inside mkdir -p "$drop_ins" /etc/systemd/system/snapmgr-.service.d /etc/snapmgr/tls
for file in "$drop_ins/access.conf" /etc/systemd/system/snapmgr-.service.d/volume-vm1.conf; do
    echo '# Written by the set-up of snapmgr, and anew' >"$root$file"
done
echo key >"$root/etc/snapmgr/tls/key.pem"
echo '[Service]' >"$root$drop_ins/mine.conf"
echo '[Service]' >"$root/etc/systemd/system/snapmgr-.service.d/volume-mine.conf"
check 'it is purged' inside dpkg --purge snapmgr
check 'with the settings that setup wrote' not inside test -e /etc/snapmgr/conf.d
check 'with its drop-ins' not inside test -e "$drop_ins/access.conf"
check 'of all services, too' not inside test -e /etc/systemd/system/snapmgr-.service.d/volume-vm1.conf
for file in /etc/snapmgr/tls/key.pem "$drop_ins/mine.conf" \
    /etc/systemd/system/snapmgr-.service.d/volume-mine.conf; do
    check "$file is not setup's, and stays" inside test -e "$file"
done
check 'no unit is left enabled' not inside sh -c 'ls -d /etc/systemd/system/*.wants/snapmgr-*'
check 'snapshots stay' inside test -e /var/lib/snapmgr/stores/vm1
check 'the image, too' inside test -e /srv/vm1.img

echo "$passed passed, $failed failed"
((failed == 0))
