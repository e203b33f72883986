#!/bin/bash
# Two sites and a mirror between them: snapshots go over by ssh, the link is cut, a revert here is asked about, the other site
# takes over, the first one comes back and follows. Each state is compared by its SHA-256; one that differs ends the tour
# with an error. A real sshd listens on the loopback interface, for a user without root's rights, whom only the demo knows
# where root runs it. Works in a temporary folder.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=$root/.build/release/snapmgr
export PATH=$root/.build/release:/usr/sbin:/sbin:$PATH

work=${SNAPMGR_DEMO:-$(mktemp -d "${TMPDIR:-/tmp}/snapmgr-demo.XXXXXX")}
chmod 755 "$work"
if ((EUID == 0)); then
    trap 'rm -rf "$work"' EXIT
    { cat /etc/passwd; echo "mirrored:x:12345:12345::$work:/bin/sh"; } >"$work/passwd"
    chown 12345:12345 "$work"
    unshare --mount --propagation private sh -c 'mount --bind "$1/passwd" /etc/passwd &&
        exec setpriv --reuid 12345 --regid 12345 --clear-groups env SNAPMGR_DEMO="$1" HOME="$1" bash "$2"' \
        sh "$work" "$root/Scripts/demo-mirror.sh"
    exit
fi
servers=()
finish() {
    local status=$?
    if ((${#servers[@]})); then
        kill "${servers[@]}" 2>/dev/null || true
        wait "${servers[@]}" 2>/dev/null || true
    fi
    rm -rf "$work" 2>/dev/null || true
    if ((status != 0)); then echo "The demo failed (exit status $status)." >&2; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"
export SNAPMGR_STATE=$work/here/state TZ=UTC

bold='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi
say() { printf "\n# %s\n" "$*"; }
run() {
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    eval "$*"
}

there() {
    printf '%sthere$ snapmgr %s%s\n' "$bold" "$*" "$plain"
    "$binary" --state "$work/there/state" "$@"
}

# What a key may run: the whole right of a site at the other one.
accept() { echo "$* $binary --state $work/there/state mirror accept data --images $work/there" >ssh/accept.sh; }

port=$((20000 + RANDOM % 20000))
mkdir here there ssh
for key in host key back; do ssh-keygen -q -t ed25519 -N '' -f ssh/$key; done
echo "exec $binary --state $work/here/state mirror accept data" >ssh/back.sh
{
    echo "restrict,command=\"/bin/sh $work/ssh/accept.sh\" $(cat ssh/key.pub)"
    echo "restrict,command=\"/bin/sh $work/ssh/back.sh\" $(cat ssh/back.pub)"
} >ssh/authorized_keys
printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' "HostKey $work/ssh/host" 'PidFile none' \
    "AuthorizedKeysFile $work/ssh/authorized_keys" 'StrictModes no' 'UsePAM no' >ssh/sshd_config
site() {
    printf '%s\n' "Host $1" 'HostName 127.0.0.1' "Port $port" "User $(id -un)" "IdentityFile $work/ssh/$2" \
        'IdentitiesOnly yes' "UserKnownHostsFile $work/ssh/known" 'StrictHostKeyChecking accept-new' 'LogLevel ERROR'
}
{ site there key; site here back; } >ssh/config
accept exec
/usr/sbin/sshd -D -e -f "$work/ssh/sshd_config" 2>ssh/log &
servers+=($!)
for ((tries = 0; tries < 100; tries++)); do
    if ssh-keyscan -T 1 -p "$port" 127.0.0.1 2>/dev/null | grep -q ed25519; then break; fi
    sleep 0.1
done

digest() { snapmgr export "data@$1" - | sha256sum; }
# take NAME PATTERN FROM LENGTH: a client of the served volume writes, then a snapshot is taken.
take() {
    run "qemu-io -f raw 'nbd+unix:///data?socket=nbd.sock' -c 'write -q -P $2 $3 $4' -c flush"
    run "snapmgr snapshot data --name $1 -q"
    sums[$1]=$(digest "$1")
}
same() {
    [[ $("$binary" --state "$work/there/state" export "data@$1" - | sha256sum) == "${sums[$1]}" ]]
    echo "  data@$1 there is what it was here"
}
declare -A sums

say 'A volume here, with three snapshots.'
run 'snapmgr volume create data --origin here/data.img --create-size 64M'
snapmgr serve data --socket nbd.sock >/dev/null 2>here/log &
servers+=($!)
for ((tries = 0; tries < 100; tries++)); do
    if [[ -S nbd.sock ]]; then break; fi
    sleep 0.1
done
take monday 1 0 16M
take tuesday 2 6M 4M
take wednesday 3 18M 4M

say 'A mirror to the other site: all that its key can do there is to be run as "mirror accept".'
run "snapmgr mirror add offsite data ssh://there/data --ssh 'ssh -F $work/ssh/config'"
run 'snapmgr mirror run offsite -n'

say 'The link is cut in the middle.'
accept 'stdbuf -o0 head -c 20000000 |'
run 'snapmgr mirror run offsite || true'
accept exec

say 'The next run goes on after what is whole there.'
run 'snapmgr mirror run offsite'
for name in monday tuesday wednesday; do same "$name"; done

say 'What was taken since goes over alone.'
take thursday 4 31M 1M
run 'snapmgr mirror list'
run 'snapmgr mirror run offsite'
same thursday

say 'A revert here does not go over silently.'
id=$(snapmgr list data --name tuesday --json | sed -E 's/.*"id":([0-9]+).*/\1/')
run "snapmgr revert $id -q --wait --force"
run 'snapmgr snapshot data --name after -q'
sums[after]=$(digest after)
run 'snapmgr mirror run offsite || true'
run 'snapmgr mirror run offsite --accept-revert'
same after
same thursday

say 'The first site is away, with a snapshot that nobody has sent.'
take friday 5 40M 1M
kill "${servers[1]}"
wait "${servers[1]}" || true

say 'The other one takes over, with what it has from Thursday.'
there list data -o id,name,kind,taken_at
id=$("$binary" --state "$work/there/state" list data --name thursday --json | sed -E 's/.*"id":([0-9]+).*/\1/')
there mirror promote "data@$id"
[[ $(sha256sum <there/data.img) == "${sums[thursday]}" ]]
echo '  the volume there is what it was here on Thursday'
"$binary" --state "$work/there/state" serve data --socket far.sock >/dev/null 2>there/log &
servers[1]=$!
for ((tries = 0; tries < 100; tries++)); do
    if [[ -S far.sock ]]; then break; fi
    sleep 0.1
done
run "qemu-io -f raw 'nbd+unix:///data?socket=far.sock' -c 'write -q -P 9 50M 1M' -c flush"
there snapshot data --name saturday -q

say 'The first one comes back, and overwrites nothing: both were written to, and somebody has to decide.'
run 'snapmgr mirror run offsite || true'
there status

say 'The other site goes on. What was written here stays as a snapshot, and only what is new comes back.'
run 'snapmgr mirror demote data'
there mirror add back data ssh://here/data --ssh "ssh -F $work/ssh/config"
there mirror run back
[[ $(snapmgr export data@saturday - | sha256sum) == $("$binary" --state "$work/there/state" export data@saturday - | sha256sum) ]]
[[ $(sha256sum <here/data.img) == $(snapmgr export data@saturday - | sha256sum) ]]
[[ $(digest friday) == "${sums[friday]}" ]]
echo '  the volume here is what it is there on Saturday, and Friday is not lost'
run 'snapmgr mirror list'
