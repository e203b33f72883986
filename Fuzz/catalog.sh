#!/bin/bash
# Writes what nobody would into the rows of a real catalog, by SQL, and runs every verb that reads:
# each refuses or answers, within a time, and none traps; `status --nagios` answers 0 to 3 whatever
# is there. What fails is kept, with the statements that made it.
#
# Usage: Fuzz/catalog.sh SECONDS FOLDER     FOLDER keeps what fails
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=$1 findings=$2
binary=${SNAPMGR_BINARY:-$PWD/.build/release/snapmgr}
for program in "$binary" sqlite3; do
    command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SNAPMGR_STATE=$work/state SNAPMGR_CONFIG=$work/snapmgr.toml HOME=$work
: >"$SNAPMGR_CONFIG"
catalog=$SNAPMGR_STATE/catalog.sqlite

# Two volumes with snapshots, a set, a hold, a revert, and a schedule that was served.
make_catalog() {
    printf '%s\n' 'free-space-floor = "0"' 'policy = "p"' '[policies.p]' 'within = "1d"' \
        '[volumes.data]' 'schedules = ["q"]' '[schedules.q]' 'every = "1m"' >"$SNAPMGR_CONFIG"
    for volume in data more; do
        "$binary" volume create "$volume" --origin "$work/$volume.img" --create-size 1M
        "$binary" snapshot "$volume" --name one --note text --tag tag
    done
    "$binary" snapshot data more --set both
    "$binary" hold data@one --reason test --until 30d
    "$binary" revert data@one --yes
    "$binary" tick
} >"$work/made" 2>&1

edges=(9223372036854775807 -9223372036854775808 -1 0 1 9007199254740993 1152921504606846977
    4611686018427387904 "'text'" "x'00ff'" NULL 1e300 "'../../x'" "char(27)||'[2J'"
    "printf('%.*c', 2000, 'x')")

# Statements that change a few columns of random tables.
mutation() {
    local count=$((RANDOM % 3 + 1)) row
    for ((; count > 0; count--)); do
        row=${columns[RANDOM % ${#columns[@]}]}
        printf 'UPDATE OR IGNORE "%s" SET "%s" = %s' "${row%%|*}" "${row##*|}" \
            "${edges[RANDOM % ${#edges[@]}]}"
        ((RANDOM % 2)) || printf ' WHERE rowid = (SELECT max(rowid) FROM "%s")' "${row%%|*}"
        printf ';\n'
    done
}

verbs=(
    'list' 'list --json' 'list --set' 'show 1' 'show 4 --json' 'volume list' 'volume show data'
    'status' 'status --json' 'status --nagios' 'status --nagios data' 'status --prometheus'
    'events' 'hold list' 'merge status' 'diff 1' 'policy simulate --for 1d' 'prune -n --explain'
    'tick -n' 'config check' 'check' 'check --json'
)

# A verb's end: 0 to 13 are answers; a signal, a trap and the time's end are not.
is_answer() {
    local verb=$1 status=$2
    case $verb in
    *--nagios*) ((status <= 3)) ;;
    *) ((status <= 13)) ;;
    esac
}

try_verbs() {
    local verb status
    for verb in "${verbs[@]}"; do
        status=0
        # Intended splitting: a verb and its options.
        # shellcheck disable=SC2086
        SWIFT_BACKTRACE=enable=no timeout 300 "$binary" $verb >"$work/out" 2>&1 || status=$?
        is_answer "$verb" "$status" && continue
        echo "catalog: \`snapmgr $verb\` ended with $status"
        return 1
    done
}

keep() {
    mkdir -p "$findings"
    cp "$catalog" "$findings/catalog-$1.sqlite"
    cp "$work/statements" "$findings/catalog-$1.sql"
    tail -n 5 "$work/out"
    echo "catalog: FAILED; see $findings/catalog-$1.sql"
}

make_catalog || { cat "$work/made" >&2; exit 1; }
sqlite3 "$catalog" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
# Columns take any type then, as in a file that somebody has made by other means.
sqlite3 "$catalog" "PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = replace(replace(sql, ') STRICT, WITHOUT ROWID', ')'),
        ') STRICT', ')') WHERE type = 'table' AND sql NOT LIKE '%WITHOUT ROWID%';
    UPDATE sqlite_schema SET sql = replace(replace(sql, ' NOT NULL', ''), 'STRICT, ', '')
        WHERE type = 'table' AND name NOT LIKE 'sqlite_%';"
cp -a "$SNAPMGR_STATE" "$work/pristine"
mapfile -t columns < <(sqlite3 "$catalog" "SELECT m.name, c.name FROM sqlite_schema m,
    pragma_table_info(m.name) c WHERE m.type = 'table' AND m.sql NOT LIKE '%WITHOUT ROWID%'")
try_verbs

RANDOM=${SNAPMGR_FUZZ_SEED:-$$}
count=0
end=$((SECONDS + seconds))
while ((SECONDS < end)); do
    rm -rf "$SNAPMGR_STATE"
    cp -a "$work/pristine" "$SNAPMGR_STATE"
    mutation >"$work/statements"
    sqlite3 "$catalog" <"$work/statements" >/dev/null 2>&1 || true
    try_verbs || { keep "$count"; exit 1; }
    count=$((count + 1))
done
echo "catalog: $count catalogs, no finding"
