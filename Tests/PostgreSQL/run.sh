#!/bin/bash
# PostgreSQL under pgbench, with its data and its log on two volumes of a set. Sets are taken while it runs, by turns with its
# backup mode held around them and after a checkpoint; each is opened in clones, by a PostgreSQL of its own: no transaction
# that was committed before the set may be missing, and no balance wrong.
# Usage: Tests/PostgreSQL/run.sh
#   SNAPMGR_DATABASE_SETS=N     how many; 2
# Exits with 77, and says why, where it cannot run: it needs root, loop devices and FUSE.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
package=$(cd "$here/../.." && pwd)
snapmgr=$package/.build/release/snapmgr
sets=${SNAPMGR_DATABASE_SETS:-2}
patience=600
export PGCTLTIMEOUT=$patience

skip() {
    echo "skipped: PostgreSQL: $1"
    exit 77
}
((EUID == 0)) || skip 'only root may mount'
[[ -e /dev/fuse && -e /dev/loop-control ]] || skip 'there is no FUSE or no loop device'
binaries=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[[ -n $binaries && -x $binaries/postgres ]] || skip 'it is not installed'
command -v nbdfuse >/dev/null || skip 'nbdfuse is not installed'
id postgres >/dev/null 2>&1 || skip 'there is no user postgres'

folder=$(mktemp -d)
chmod 711 "$folder"
cd "$folder"
export SNAPMGR_STATE=$folder/state SNAPMGR_CONFIG=$folder/snapmgr.toml
started=()
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
stop_database() { as_postgres "$binaries/pg_ctl" -D "$1" -m immediate -s stop >/dev/null 2>&1 || true; }
finish() {
    local status=$? mounted
    # Before the mounts, which it would keep.
    stop_database "$folder/copy-data/pg"
    stop_database "$folder/data/pg"
    for mounted in copy-log copy-data; do "$snapmgr" umount "$folder/$mounted" >/dev/null 2>&1 || true; done
    for mounted in log data; do umount "$folder/$mounted" 2>/dev/null || true; done
    if ((${#started[@]})); then kill "${started[@]}" 2>/dev/null || true; fi
    for mounted in log data; do umount "$folder/nbd-$mounted" 2>/dev/null || true; done
    wait 2>/dev/null || true
    cd /
    rm -rf --one-file-system "$folder"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

passed=0
fail() {
    echo "FAILED: $1"
    for file in server.log err postgres.log copy.log pgbench.log; do
        echo "--- $file:"
        tail -n 15 "$file" 2>/dev/null || true
    done
    echo "$passed passed, 1 failed"
    exit 1
}
pass() { passed=$((passed + 1)); }
await() {
    local deadline=$((SECONDS + patience))
    until eval "$2"; do
        ((SECONDS < deadline)) || fail "$1 does not come"
        sleep 0.05
    done
}

cat >snapmgr.toml <<END
[volumes.data]
[volumes.log]
[sets.backup]
volumes = ["data", "log"]
hooks = ["backup"]
[sets.checkpoint]
volumes = ["data", "log"]
hooks = ["checkpoint"]
[hooks.backup]
before-freeze = ["$package/Config/hooks/postgresql", "start"]
after-thaw = ["$package/Config/hooks/postgresql", "stop"]
timeout = "2m"
consistency = "app"
environment = { PGUSER = "postgres", PGHOST = "$folder/run", HOOK_RUN_FOLDER = "$folder/hook", HOOK_BACKUP_FOLDER = "$folder/backups" }
[hooks.checkpoint]
prepare = ["$package/Config/hooks/postgresql", "checkpoint"]
timeout = "2m"
environment = { PGUSER = "postgres", PGHOST = "$folder/run" }
END
mkdir run copy-run
chown postgres run copy-run
for volume in data log; do
    truncate -s 256M "$volume.img"
    mke2fs -q -F -t ext4 "$volume.img"
    "$snapmgr" volume create "$volume" --origin "$volume.img" --chunk 16K >/dev/null
    mkdir "$volume" "nbd-$volume" "copy-$volume"
done
"$snapmgr" serve --socket nbd.sock >server.log 2>&1 &
started+=($!)
await 'the server' '[[ -S nbd.sock ]]'
for volume in data log; do
    nbdfuse "nbd-$volume" "nbd+unix:///$volume?socket=$folder/nbd.sock" >>server.log 2>&1 &
    started+=($!)
    await "the file of $volume" "[[ -s nbd-$volume/nbd ]]"
    mount -o loop "nbd-$volume/nbd" "$volume"
    chown postgres "$volume"
done
as_postgres "$binaries/initdb" -D data/pg -X "$folder/log/pg" -A trust -N >initdb.log 2>&1 || fail "initdb: $(tail -n 3 initdb.log)"
sync -f data/pg log/pg
as_postgres "$binaries/pg_ctl" -D data/pg -w -s -l "$folder/run/log" \
    -o "-k $folder/run -h '' -c shared_buffers=32MB -c max_wal_size=64MB -c min_wal_size=32MB" start || fail 'PostgreSQL does not start'
sql() { psql --no-psqlrc -h "$folder/$1" -U postgres -d postgres -qAt -v ON_ERROR_STOP=1 -c "$2"; }
pgbench -h "$folder/run" -U postgres -i -s 1 -q postgres >pgbench.log 2>&1 || fail 'pgbench cannot begin'
sql run 'CREATE TABLE mark(n int PRIMARY KEY)'
pgbench -h "$folder/run" -U postgres -c 2 -T 3600 postgres >>pgbench.log 2>&1 &
started+=($!)
# One row after the other; each is told as soon as it is committed.
: >marks
(
    for ((number = 1; ; number++)); do
        echo "INSERT INTO mark VALUES ($number);"
        # shellcheck disable=SC2028 # It is psql's word.
        echo "\\echo $number"
        sleep 0.005
    done | stdbuf -oL psql --no-psqlrc -h "$folder/run" -U postgres -d postgres -q -v ON_ERROR_STOP=1 >>marks 2>>pgbench.log
) &
started+=($!)
last_mark() { tail -n 1 marks; }
has_marks() { (($(last_mark) + 0 > $1)); }
await 'the load' 'has_marks 20'

for ((number = 0; number < sets; number++)); do
    kinds=(backup checkpoint)
    kind=${kinds[number % 2]}
    low=$(last_mark)
    "$snapmgr" snapshot "$kind" --json >set.json 2>err || fail "a set: $(cat err)"
    high=$(last_mark)
    level=$(grep -o '"consistency":"[a-z]*"' set.json | sort -u | tr -dc 'a-z\n' | sed 's/consistency//')
    [[ $kind != backup || $level == app ]] || fail "the level of a set in backup mode is $level"
    [[ $kind != checkpoint || $level == crash ]] || fail "the level of a set after a checkpoint is $level"
    for volume in data log; do
        "$snapmgr" clone create "$volume@latest" "copy-$volume" >/dev/null 2>err || fail "a clone: $(cat err)"
        "$snapmgr" mount "copy-$volume" "copy-$volume" >/dev/null 2>err || fail "a mount: $(cat err)"
    done
    # What the copy has of its own: the place of its log. It is not running there.
    rm -f copy-data/pg/postmaster.pid
    ln -sfn "$folder/copy-log/pg" copy-data/pg/pg_wal
    as_postgres "$binaries/pg_ctl" -D copy-data/pg -w -s -l "$folder/copy-run/log" -o "-k $folder/copy-run -h ''" start >copy.log 2>&1 ||
        fail "the copy of set $number does not start: $(tail -n 5 copy-run/log)"
    read -r first count <<<"$(sql copy-run "SELECT coalesce(max(n), 0) || ' ' || count(*) FROM mark")"
    ((first == count)) || fail "set $number ($kind): $count rows up to $first"
    ((first >= low)) || fail "set $number ($kind): a committed row is lost: $first, and $low was committed before"
    # One may be committed and not told yet.
    ((first <= high + 1)) || fail "set $number ($kind): it has $first, and $high was the last when it was taken"
    flaws=$(sql copy-run "SELECT count(*) FROM (SELECT (SELECT sum(delta) FROM pgbench_history) AS h,
        (SELECT sum(abalance) FROM pgbench_accounts) AS a, (SELECT sum(tbalance) FROM pgbench_tellers) AS t,
        (SELECT sum(bbalance) FROM pgbench_branches) AS b) AS sums WHERE coalesce(h, 0) <> a OR a <> t OR t <> b")
    [[ $flaws == 0 ]] || fail "set $number ($kind): balances differ"
    stop_database "$folder/copy-data/pg"
    for volume in log data; do
        "$snapmgr" umount "copy-$volume" >/dev/null 2>err || fail "an umount: $(cat err)"
        "$snapmgr" clone delete "copy-$volume" >/dev/null 2>err || fail "a clone's end: $(cat err)"
    done
    echo "set $number ($kind, $level): $first rows, between $low and $high"
    pass
done
[[ ! -e hook ]] || fail 'a session of the backup mode is left'
(($(find backups -name backup_label | wc -l) == (sets + 1) / 2)) || fail 'the labels of the backups are not kept'
pass

# The session is lost while the backup mode is held, as when the server starts anew: that backup fails, and nothing hangs.
hook() {
    PGUSER=postgres PGHOST=$folder/run HOOK_RUN_FOLDER=$folder/hook HOOK_BACKUP_FOLDER=$folder/backups \
        timeout "$patience" "$package/Config/hooks/postgresql" "$1" >hook.out 2>err
}
lose_backend() { sql run "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_backup_start%' AND pid <> pg_backend_pid()" >/dev/null; }
lose_session() {
    local session
    session=$(<hook/pid)
    kill -KILL "$session"
    await 'the end of the session' "! kill -0 $session 2>/dev/null || grep -qs '^State:.Z' /proc/$session/status"
}
for loss in lose_backend lose_session; do
    for next in stop start; do
        hook start || fail "the backup mode cannot begin: $(cat err)"
        "$loss"
        status=0
        hook "$next" || status=$?
        if [[ $next == stop ]]; then
            ((status == 1)) || fail "after $loss the end of the backup mode ends with $status"
            [[ ! -e hook ]] || fail "after $loss something of the backup mode is left"
        else
            ((status == 0)) || fail "after $loss the next backup ends with $status: $(cat err)"
            hook stop || fail "after $loss the next backup does not end: $(cat err)"
        fi
    done
    "$snapmgr" snapshot backup --json >set.json 2>err || fail "a set after $loss: $(cat err)"
    grep -q '"consistency":"app"' set.json || fail "a set after $loss is not app"
    pass
done

# Killed while the backup mode is held: the session is ended all the same. A set may have ended before it is seen.
was_held=false
for ((attempt = 0; attempt < 5; attempt++)); do
    "$snapmgr" snapshot backup >/dev/null 2>&1 &
    victim=$!
    await 'the backup mode' "[[ -e hook/started ]] || ! kill -0 $victim 2>/dev/null"
    if [[ -e hook/started ]]; then was_held=true; fi
    kill -KILL "$victim" 2>/dev/null || true
    wait "$victim" 2>/dev/null || true
    await 'the end of the backup mode' '[[ ! -e hook ]]'
    if "$was_held"; then break; fi
done
"$was_held" || fail 'no set was killed while its backup mode was held'
await 'the load after it' "has_marks $(($(last_mark) + 5))"
pass
echo "$passed passed, 0 failed"
