#!/bin/bash
# What Scripts/try-units.sh does in the systemd that it has started.
set -uo pipefail

passed=0
failed=0
# check NAME COMMAND...: counts, and shows what a command says that fails.
check() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then
        passed=$((passed + 1))
        echo "passed $name"
    else
        failed=$((failed + 1))
        echo "FAILED $name: $*"
        echo "$said"
        journalctl --no-pager -n 30 -u 'snapmgr-*' -o short-precise
    fi
}

property() { systemctl show -P "$2" "$1"; }
is() { [[ $(property "$1" "$2") == "$3" ]] || { property "$1" "$2" && false; }; }

# until_true SECONDS COMMAND...
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.2
    done
}

# -- All in one step, of an image where the units could not write
mkdir /data
truncate -s 64M /data/vm1.img
vm1='nbd+unix:///vm1?socket=/run/snapmgr/vm1.sock'
check 'setup makes a volume, and starts what it needs' snapmgr setup /data/vm1.img
check 'its server is up' is snapmgr-serve@vm1 ActiveState active
check 'and serves, and writes' nbdcopy --flush /bin/sh "$vm1"
check 'status says where' bash -c "snapmgr status | grep -F '$vm1'"
check 'its timers run' systemctl is-active snapmgr-tick.timer snapmgr-prune.timer
check 'a tick of it succeeds' systemctl start snapmgr-tick.service
check 'a snapshot of it is taken' snapmgr snapshot vm1
again=$(snapmgr setup /data/vm1.img)
check 'a second run changes nothing' test "$(grep -cE ' (made|enabled and started|FAILED)' <<<"$again")" = 0
systemctl disable --now snapmgr-serve@vm1 snapmgr-tick.timer snapmgr-prune.timer 2>/dev/null
check 'the volume is removed again' snapmgr volume remove vm1 --yes
rm -r /etc/snapmgr/conf.d /etc/systemd/system/snapmgr-.service.d
rm -f /var/lib/systemd/timers/stamp-snapmgr-*
systemctl daemon-reload

mkdir -p /etc/snapmgr /etc/systemd/system/snapmgr-{tick,prune}.service.d
cat >/etc/snapmgr/snapmgr.toml <<'TOML'
policy = "few"
[volumes.data]
schedules = ["each-minute"]
[schedules.each-minute]
every = "1m"
[policies.few]
last = 1
TOML
snapmgr volume create data --origin /srv/data.img --create-size 64M
uri='nbd+unix:///data?socket=/run/snapmgr/data.sock'

# -- The server
check 'the server starts' systemctl start snapmgr-serve@data
check 'its socket is there once it has started' test -S /run/snapmgr/data.sock
check 'its socket is its owner'\''s only' test "$(stat -c %a /run/snapmgr/data.sock)" = 600
head -c 1M /dev/urandom >/srv/written
truncate -s 64M /srv/written
check 'it writes' nbdcopy --flush /srv/written "$uri"
check 'it reads' bash -c "nbdcopy '$uri' - | cmp - /srv/written"

main=$(property snapmgr-serve@data MainPID)
kill -KILL "$main"
restarted() {
    is snapmgr-serve@data ActiveState active && is snapmgr-serve@data NRestarts 1
}
check 'a server that was killed comes back' until_true 30 restarted
check 'and has what was flushed' bash -c "nbdcopy '$uri' - | cmp - /srv/written"

# -- The timers
count() { snapmgr list data --json | grep -o '"schedule":"each-minute"' | wc -l; }
has() { (($(count) >= $1)); }
check 'the tick timer starts' systemctl enable --now snapmgr-tick.timer
# The first tick only notes that the schedule begins.
check 'a snapshot comes by itself' until_true 130 has 1
first=$(count)
check 'another one comes a minute later' until_true 130 has $((first + 1))
echo "       the last tick began at" \
    "$(systemctl show --timestamp=us -P ExecMainStartTimestamp snapmgr-tick.service)"
check 'a tick succeeds' is snapmgr-tick.service Result success
notes() { journalctl -u snapmgr-tick --no-pager -o cat; }
quiet() { ! notes | grep -v ' taken'; }
check 'the journal tells what ticks took' bash -c "$(declare -f notes); notes | grep ' taken'"
check 'and nothing else' quiet

# As after a time without power: the stamp is what Persistent= goes by.
systemctl stop snapmgr-tick.timer
until_true 30 bash -c '(($(date +%-S) > 2 && $(date +%-S) < 40))'
before=$(property snapmgr-tick.service ExecMainStartTimestampMonotonic)
touch -d '2 hours ago' /var/lib/systemd/timers/stamp-snapmgr-tick.timer
systemctl start snapmgr-tick.timer
ran_again() { [[ $(property snapmgr-tick.service ExecMainStartTimestampMonotonic) != "$before" ]]; }
check 'after a time off a tick comes at once' until_true 15 ran_again
systemctl stop snapmgr-tick.timer
until_true 30 is snapmgr-tick.service ActiveState inactive
minutes() { snapmgr list data --json | grep -oE '"taken_at":"[^"]{16}' | sort; }
once() { ! minutes | uniq -d | grep .; }
check 'no slot is taken twice' once

check 'the prune timer starts' systemctl start snapmgr-prune.timer
next=$(property snapmgr-prune.timer NextElapseUSecRealtime)
echo "       the next prune is at $next"
check 'prune runs' systemctl start snapmgr-prune.service
check 'prune keeps what the policy keeps' test "$(count)" = 1

# -- What the units promise
drop_in() {
    printf '[Service]\nExecStart=\nExecStart=%s\n' "$2" >"/etc/systemd/system/$1.d/try.conf"
    systemctl daemon-reload
}
drop_in snapmgr-prune.service '/bin/sh -c "ionice; nice; exit 11"'
check 'status 11 is not a failure' systemctl start snapmgr-prune.service
idle() { journalctl -u snapmgr-prune --no-pager -o cat | tr '\n' ' ' | grep -q 'idle 19'; }
check 'prune is at the lowest priorities' until_true 10 idle

cat >/srv/trespass <<'SH'
#!/bin/sh
if touch /usr/x || touch /etc/x || touch /home/x || mount -t tmpfs none /srv || mknod /srv/x b 7 7
then exit 1; fi
touch /srv/x /var/lib/snapmgr/x && rm /srv/x /var/lib/snapmgr/x
SH
chmod +x /srv/trespass
drop_in snapmgr-tick.service /srv/trespass
check 'a tick can write where it may and nowhere else' systemctl start snapmgr-tick.service

# A tick that is killed while a hook has something at rest.
cat >/srv/killed <<'SH'
#!/bin/sh
setsid sh -c 'trap "" TERM; sleep 2; touch /srv/thawed' &
sleep 30
SH
chmod +x /srv/killed
drop_in snapmgr-tick.service /srv/killed
systemctl start --no-block snapmgr-tick.service
until_true 10 is snapmgr-tick.service ActiveState activating
sleep 1
systemctl kill -s KILL --kill-whom=main snapmgr-tick.service
check 'what outlives a killed tick can end its work' until_true 20 test -e /srv/thawed

# -- The end
systemctl stop snapmgr-serve@data
check 'the server ends cleanly' is snapmgr-serve@data Result success
check 'its socket is gone' test ! -e /run/snapmgr/data.sock
check 'the origin has what was written' cmp /srv/data.img /srv/written
check 'the store is whole' snapmgr check data --data
echo "$passed passed, $failed failed"
