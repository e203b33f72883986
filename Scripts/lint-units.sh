#!/bin/bash
# Checks the systemd units and their drop-ins as they are installed: systemd-analyze's warnings are
# errors, and so are units that are less shut off than they could be.
# Usage: Scripts/lint-units.sh [--security]     with it, only prints the units' exposure
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v systemd-analyze >/dev/null; then
    echo 'error: systemd-analyze is missing; install it: apt-get install systemd' >&2
    exit 1
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
examples="$root/usr/local/share/doc/snapmgr/examples"

# A root with systemd's own units and ours, and programs in the places that units name.
make_root() {
    local program
    make --no-print-directory install-data DESTDIR="$root" PREFIX=/usr/local
    mkdir -p "$root/usr/lib/systemd" "$root/usr/local/bin" "$root/etc/systemd/system"
    cp -R /usr/lib/systemd/system "$root/usr/lib/systemd/"
    # What the host's own units call is not checked here.
    for program in usr/local/bin/snapmgr bin/sh bin/rm; do
        mkdir -p "$root/$(dirname "$program")"
        printf '#!/bin/true\n' >"$root/$program"
        chmod +x "$root/$program"
    done
    chmod -R u+w "$root"
}

units=(
    snapmgr-tick.service snapmgr-tick.timer snapmgr-prune.service snapmgr-prune.timer
    snapmgr-mirror.service snapmgr-mirror.timer
    snapmgr-serve@data.service snapmgr-activate.service snapmgr-daemon.service
)
# DROP-IN UNIT [LIMIT]: the unit that the drop-in is an example for, and how exposed it may be, in
# tenths, with it. Whoever takes hooks.conf takes the hardening away; with http-tcp.conf the network
# reaches who has devices.
drop_ins=(
    'paths.conf snapmgr-tick.service 30'
    'fsfreeze.conf snapmgr-tick.service 30'
    'hooks.conf snapmgr-tick.service 100'
    'listen.conf snapmgr-serve@data.service 30'
    'devices.conf snapmgr-tick.service 30'
    'devices.conf snapmgr-prune.service 30'
    'paths.conf snapmgr-daemon.service 30'
    'http.conf snapmgr-daemon.service 30'
    'http-tcp.conf snapmgr-daemon.service 35'
    'webhooks.conf snapmgr-daemon.service 35'
    'devices.conf snapmgr-serve@data.service 30'
    'activate.conf snapmgr-activate.service 30'
)

passed=0
failed=0

# check NAME COMMAND...: fails also when the command says anything; systemd-analyze ends with 0
# after most warnings.
check() {
    local name=$1 said status=0
    shift
    said=$("$@" 2>&1) || status=$?
    if ((status == 0)) && [[ -z $said ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $name (status $status)"
        echo "$said"
    fi
}

verify() {
    systemd-analyze verify --root="$root" --man=no --recursive-errors=one "$@"
}

exposure() {
    systemd-analyze security --no-pager --offline=true --root="$root" --threshold="$1" "$2"
}

# The same without the table that it prints unless it fails.
is_confined() {
    exposure "$@" >"$root/table" 2>&1 || {
        cat "$root/table"
        return 1
    }
}

print_exposure() {
    printf '%-28s %-14s ' "$1" "${2:--}"
    exposure 100 "$1" 2>/dev/null | sed -nE 's/.*Overall exposure level .*: ([0-9.]+) .*/\1/p'
}

# Every manual page that a unit names must be there.
has_manuals() {
    local page missing=0
    while read -r page; do
        page=${page%)}
        if [[ ! -e man/${page/\(/.} ]]; then
            echo "man/${page/\(/.} is missing"
            missing=1
        fi
    done < <(sed -n 's/^Documentation=//p' "Config/systemd/$1" | tr ' ' '\n' | sed 's/^man://')
    return "$missing"
}

# The sandbox is made when a unit starts: a path of a module that is loaded later is read-only in it.
loads_modules() {
    local module missing=0
    while read -r module; do
        for key in Wants After; do
            if ! grep -qx "$key=modprobe@$module.service" "$1"; then
                echo "$key=modprobe@$module.service is missing"
                missing=1
            fi
        done
    done < <(sed -nE 's,^ReadWritePaths=-?/sys/module/([^/]+)/.*,\1,p' "$1")
    return "$missing"
}

make_root >/dev/null
for unit in "${units[@]}"; do
    if [[ ${1:-} == --security ]]; then
        [[ $unit == *.timer ]] || print_exposure "$unit"
        continue
    fi
    check "verify $unit" verify "$unit"
    check "manuals of $unit" has_manuals "${unit/@data/@}"
    [[ $unit == *.timer ]] || check "security of $unit" is_confined 30 "$unit"
done

for line in "${drop_ins[@]}"; do
    read -r drop_in unit limit <<<"$line"
    folder="$root/etc/systemd/system/$unit.d"
    install -D -m 644 -t "$folder" "$examples/systemd/drop-ins/$drop_in"
    if [[ ${1:-} == --security ]]; then
        print_exposure "$unit" "$drop_in"
    else
        check "verify $unit with $drop_in" verify "$unit"
        check "security of $unit with $drop_in" is_confined "$limit" "$unit"
    fi
    rm -r "$folder"
done
[[ ${1:-} == --security ]] && exit
for file in Config/systemd/*.service Config/systemd/drop-ins/*.conf; do
    check "modules of $file" loads_modules "$file"
done
# A drop-in that nobody checks is forgotten here.
count=$(find Config/systemd/drop-ins -type f | wc -l)
checked=$(printf '%s\n' "${drop_ins[@]%% *}" | sort -u | wc -l)
check "every drop-in is checked" test "$count" = "$checked"
echo "$passed passed, $failed failed"
((failed == 0))
