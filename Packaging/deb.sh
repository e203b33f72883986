#!/bin/bash
# Makes the Debian package of binaries that are built.
# Usage: Packaging/deb.sh BINARIES OUTPUT     folders; the package lands in OUTPUT, and its path is printed
#
# SNAPMGR_PACKAGE_VERSION is another version than the sources'. SNAPMGR_SHLIBS_OPTIONS goes to
# dpkg-shlibdeps, SNAPMGR_DEB_OPTIONS to dpkg-deb. The same binaries and sources give the same package, bit by bit: its times are that of the
# last commit, or SOURCE_DATE_EPOCH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binaries=$(realpath "$1")
mkdir -p "$2"
output=$(realpath "$2")

version=${SNAPMGR_PACKAGE_VERSION:-$(sed -nE 's/.*"snapmgr ([0-9.]+)".*/\1/p' \
    Sources/snapmgr/Support/Version.swift)}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/snapmgr-$version
mkdir "$tree"
cp -R Packaging/debian README.md CHANGELOG.md docs "$tree/"
{
    echo "snapmgr ($version) unstable; urgency=medium"
    echo
    # The part of the newest version; Debian's form has two blanks before each change's star.
    awk '/^## / { part++ } part == 1 && !/^#/ && NF' CHANGELOG.md | sed 's/^/  /'
    echo
    echo " -- snapmgr maintainers <maintainers@snapmgr.invalid>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
} >"$tree/debian/changelog"

export SNAPMGR_BINARIES=$binaries SNAPMGR_SOURCE=$PWD
export SNAPMGR_SHLIBS_OPTIONS=${SNAPMGR_SHLIBS_OPTIONS:-} SNAPMGR_DEB_OPTIONS=${SNAPMGR_DEB_OPTIONS:-}
# Whatever this user's umask and words are.
umask 022
export LC_ALL=C TZ=UTC0
(cd "$tree" && dpkg-buildpackage --build=binary --no-sign) >"$work/log" 2>&1 || {
    tail -n 40 "$work/log" >&2
    exit 1
}
package=("$work"/snapmgr_*.deb)
mv "${package[0]}" "$output/"
echo "$output/${package[0]##*/}"
