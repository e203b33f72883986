#!/bin/bash
# Two sites and a mirror between them: snapshots go over by ssh, the link is cut, a revert here is asked about, the first
# site is lost, and the other one reverts. Each state is compared by its SHA-256; one that differs ends the tour with an
# error. A real sshd listens on the loopback interface, for a user without root's rights. Works in a temporary folder.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=$root/.build/release/snapmgr
export PATH=$root/.build/release:/usr/sbin:/sbin:$PATH

work=$(mktemp -d "${TMPDIR:-/tmp}/snapmgr-demo.XXXXXX")
chmod 755 "$work"
servers=()
finish() {
    local status=$?
    if ((${#servers[@]})); then
        kill "${servers[@]}" 2>/dev/null || true
        wait "${servers[@]}" 2>/dev/null || true
    fi
    rm -rf "$work"
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

# The other site's user: this one, or, when that is root, one whom only the demo knows.
user=$(id -un)
as_user=() namespace=()
if ((EUID == 0)); then
    user=mirrored
    as_user=(setpriv --reuid 12345 --regid 12345 --clear-groups)
    namespace=(unshare --mount --propagation private sh -c
        "mount --bind $work/ssh/passwd /etc/passwd && exec \"\$@\"" sh)
fi
there() {
    printf '%sthere$ snapmgr %s%s\n' "$bold" "$*" "$plain"
    "${as_user[@]}" "$binary" --state "$work/there/state" "$@"
}

# What the key may run: the whole right of the first site at the other one.
accept() { echo "$* $binary --state $work/there/state mirror accept data --images $work/there" >ssh/accept.sh; }

port=$((20000 + RANDOM % 20000))
mkdir here there ssh
ssh-keygen -q -t ed25519 -N '' -f ssh/host
ssh-keygen -q -t ed25519 -N '' -f ssh/key
echo "restrict,command=\"/bin/sh $work/ssh/accept.sh\" $(cat ssh/key.pub)" >ssh/authorized_keys
printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' "HostKey $work/ssh/host" 'PidFile none' \
    "AuthorizedKeysFile $work/ssh/authorized_keys" 'StrictModes no' 'UsePAM no' >ssh/sshd_config
printf '%s\n' 'Host there' 'HostName 127.0.0.1' "Port $port" "User $user" "IdentityFile $work/ssh/key" \
    'IdentitiesOnly yes' "UserKnownHostsFile $work/ssh/known" 'StrictHostKeyChecking accept-new' \
    'LogLevel ERROR' >ssh/config
accept exec
if ((EUID == 0)); then
    { cat /etc/passwd; echo "mirrored:x:12345:12345::$work/there:/bin/sh"; } >ssh/passwd
    chown -R 12345:12345 there ssh/host
fi
"${namespace[@]}" "${as_user[@]}" /usr/sbin/sshd -D -e -f "$work/ssh/sshd_config" 2>ssh/log &
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
    [[ $("${as_user[@]}" "$binary" --state "$work/there/state" export "data@$1" - | sha256sum) == "${sums[$1]}" ]]
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

say 'The first site is lost.'
kill "${servers[1]}"
wait "${servers[1]}" || true
run 'rm -rf here'

say 'The other one has all, and reverts to what it wants.'
there list data -o id,name,kind,taken_at
id=$("${as_user[@]}" "$binary" --state "$work/there/state" list data --name thursday --json | sed -E 's/.*"id":([0-9]+).*/\1/')
there revert "$id" -q
[[ $(sha256sum <there/data.img) == "${sums[thursday]}" ]]
echo '  the volume there is what it was here on Thursday'
