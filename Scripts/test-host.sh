#!/bin/bash
# Runs the suites of snapmgr-guest-tests on this machine's own device-mapper, with loop devices as
# their disks. As root.
# Usage: Scripts/test-host.sh [SUITE...]     all of them by default
#        Scripts/test-host.sh --check        only says whether it could
# Exits with 77, and says why, where that cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tests=${SNAPMGR_GUEST_TESTS:-.build/release/snapmgr-guest-tests}

skip() {
    echo "skipped: $1; \`make test\` runs the same suites in a guest that has all of it"
    exit 77
}

if ((EUID != 0)); then skip 'device-mapper needs root'; fi
modprobe --quiet dm-mod 2>/dev/null || true
# The node is there on kernels without device-mapper, too: only opening it tells.
if ! (exec 3<>/dev/mapper/control) 2>/dev/null; then skip 'this kernel has no device-mapper'; fi
# The suites make devices with the names of volumes, and remove what a case has left.
for name in /sys/block/dm-*/dm/name; do
    [[ -e $name ]] || continue
    if [[ $(<"$name") == snapmgr-* ]]; then
        skip "there is a device $(<"$name") already, of a volume or of a suite that died"
    fi
done
if [[ ${1:-} == --check ]]; then exit 0; fi
if [[ ! -x $tests ]]; then
    echo 'Build first: make test-host does' >&2
    exit 1
fi

folder=$(mktemp -d "${TMPDIR:-/var/tmp}/snapmgr-host-XXXXXX")
devices=()
detach() {
    local device
    for device in ${devices[@]+"${devices[@]}"}; do losetup --detach "$device" || true; done
    devices=()
    rm -f "$folder"/disk*
}
# shellcheck disable=SC2317 # The trap calls it.
clean_up() {
    detach
    rm -rf --one-file-system "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

passed=0
failed=0
run_suite() {
    local suite=$1 seconds=300 missing='' word value module device status=0 line
    while read -r word value; do
        case $word in
            seconds) seconds=$value ;;
            modules)
                for module in $value; do
                    modprobe --quiet "$module" || missing+=" $module"
                done
                ;;
            disk)
                truncate --size "${value}M" "$folder/disk${#devices[@]}"
                device=$(losetup --find --show "$folder/disk${#devices[@]}") ||
                    skip 'there is no loop device'
                devices+=("$device")
                ;;
        esac
    done < <("$tests" machine "$suite")
    if [[ -n $missing ]]; then
        echo "skipped: $suite: this kernel lacks$missing"
        detach
        return
    fi
    SNAPMGR_GUEST_DISKS="${devices[*]-}" timeout --kill-after=30 "$seconds" \
        "$tests" "$suite" </dev/null | tee "$folder/log" || status=$?
    line=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$folder/log")
    if [[ -n $line ]]; then
        passed=$((passed + ${line% *}))
        failed=$((failed + ${line#* }))
    fi
    if ((status != 0 && failed == 0)); then failed=1; fi
    detach
}

suites=("$@")
if ((${#suites[@]} == 0)); then mapfile -t suites < <("$tests" list); fi
for suite in "${suites[@]}"; do run_suite "$suite"; done
echo "$passed passed, $failed failed"
((failed == 0))
