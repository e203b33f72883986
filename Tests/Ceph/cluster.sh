#!/bin/bash
# A Ceph cluster of one monitor and one OSD as ordinary processes, in a folder of its own: for tests, the demo and
# measurements. Everything listens on 127.0.0.1, on ports that are free at the moment.
# Usage: Tests/Ceph/cluster.sh start FOLDER [TIMEOUT]   makes FOLDER/ceph.conf, starts, and makes the pool rbd
#        Tests/Ceph/cluster.sh stop FOLDER              ends its processes, by their ids
#        Tests/Ceph/cluster.sh osd-stop|osd-start|mon-stop|mon-start FOLDER
# TIMEOUT is what clients wait for an answer, in seconds; 20 by default. SNAPMGR_CEPH_STORE=bluestore has a disk.
# 77: Ceph's packages are not there.
set -euo pipefail

verb=${1:-} folder=$(realpath -m "${2:?a folder}") timeout=${3:-20}
store=${SNAPMGR_CEPH_STORE:-memstore}
export CEPH_CONF=$folder/ceph.conf
for program in ceph ceph-mon ceph-osd ceph-authtool monmaptool rbd; do
    command -v "$program" >/dev/null || {
        echo "skipped: $program is not here: apt-get install ceph-mon ceph-osd ceph-common"
        exit 77
    }
done

free_port() {
    python3 - <<'PYTHON' 2>/dev/null || perl -MIO::Socket::INET -e '
        print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport, "\n"'
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])
PYTHON
}

write_conf() {
    local v2 v1
    v2=$(free_port) v1=$(free_port)
    cat >"$CEPH_CONF" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$v2,v1:127.0.0.1:$v1]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
keyring = $folder/keyring
run dir = $folder/run
log file = $folder/log/\$name.log
admin socket =
pid file =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail warn = 2
mon data avail crit = 1
osd objectstore = $store
osd fast shutdown = false
memstore device bytes = 4G
bluestore block size = 8G
rados osd op timeout = $timeout
rados mon op timeout = $timeout
client mount timeout = $timeout
[mon.a]
mon data = $folder/mon
[osd.0]
osd data = $folder/osd
keyring = $folder/osd/keyring
CONF
    sed -n 's/^mon host = //p' "$CEPH_CONF" >"$folder/address"
    sed -n 's/^fsid = //p' "$CEPH_CONF" >"$folder/fsid"
}

# Daemons are no children that anybody waits for; they end with "stop".
run_mon() {
    setsid ceph-mon -i a -f >>"$folder/log/mon.out" 2>&1 </dev/null 9>&- &
    echo $! >"$folder/mon.pid"
}
run_osd() {
    setsid ceph-osd -i 0 -f >>"$folder/log/osd.out" 2>&1 </dev/null 9>&- &
    echo $! >"$folder/osd.pid"
}

make_monitor() {
    ceph-authtool --create-keyring "$folder/keyring" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$folder/keyring" --gen-key -n client.admin \
        --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    monmaptool --create --fsid "$(cat "$folder/fsid")" --addv a "$(cat "$folder/address")" "$folder/monmap"
    ceph-mon --mkfs -i a --monmap "$folder/monmap" --keyring "$folder/keyring"
}

make_osd() {
    local uuid
    uuid=$(cat /proc/sys/kernel/random/uuid)
    ceph osd new "$uuid"
    ceph auth get-or-create osd.0 mon 'allow profile osd' mgr 'allow profile osd' osd 'allow *' \
        -o "$folder/osd/keyring"
    ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
}

# Until the OSD counts: what is asked of it before is only queued.
wait_for_osd() {
    for ((tries = 0; tries < 300; tries++)); do
        if ceph osd dump 2>/dev/null | grep -q '^osd\.0 up'; then return; fi
        sleep 0.1
    done
    echo "the OSD does not come up: $folder/log/osd.out" >&2
    tail -n 20 "$folder/log/osd.out" >&2
    return 1
}

# end NAME: asks the process to end, and makes it do so after 20 s.
end() {
    local pid file=$folder/$1.pid
    [[ -e $file ]] || return 0
    pid=$(cat "$file")
    # Stopped ones hear nothing.
    kill -CONT "$pid" 2>/dev/null || true
    kill "$pid" 2>/dev/null || true
    for ((tries = 0; tries < 200; tries++)); do
        [[ -e /proc/$pid && $(cat "/proc/$pid/stat" 2>/dev/null) != *') Z '* ]] || break
        sleep 0.1
    done
    if ((tries == 200)); then kill -9 "$pid" 2>/dev/null || true; fi
    rm -f "$file"
}

start() {
    mkdir -p "$folder"/{mon,osd,run,log}
    write_conf
    make_monitor
    run_mon
    make_osd
    run_osd
    wait_for_osd
    timeout 60 ceph osd pool create rbd 8
    timeout 60 ceph osd pool application enable rbd rbd
}

case $verb in
    start)
        start >"$folder.log" 2>&1 || {
            cat "$folder.log" >&2
            end osd
            end mon
            exit 1
        }
        ;;
    stop)
        end osd
        end mon
        ;;
    osd-stop) end osd ;;
    osd-start)
        run_osd
        wait_for_osd
        ;;
    mon-stop) end mon ;;
    mon-start) run_mon ;;
    *)
        echo "usage: $0 start|stop|osd-stop|osd-start|mon-stop|mon-start FOLDER" >&2
        exit 2
        ;;
esac
