#!/bin/bash
# Runs a command as root of a throw-away guest whose kernel has device-mapper.
# Usage: Tests/Guest/run.sh [OPTION...] [--] COMMAND [ARGUMENT...]
#   -t SECONDS  limit for the whole run (default 120)
#   -d SIZE     adds an empty scratch disk: 64M (repeatable)
#   -D FILE     adds a file as a disk; what is written to it stays (repeatable, same numbering)
#   -w FOLDER   shares a folder with the machine for writing, same path (repeatable)
#   -e NAME=V   sets an environment variable for the command (repeatable)
#   -m SIZE     the guest's memory (default 1G), taken from the machine as it is used
#   -M MODULES  kernel modules to load (default "dm-mod dm-snapshot loop")
#   -u          starts udev
#   -k FILE     keeps the kernel's log in FILE
#   -p FILE     writes the guest's process id to FILE, for tests that kill it
# The disks' paths are in $SNAPMGR_GUEST_DISKS, in the order of the options. The guest sees all files
# of the machine under the same paths; its changes to them are its own, in its memory, and go with
# it, except in shared folders. It has one processor, root, and no network but lo. The command runs
# in the present folder with nothing on its standard input; its output comes back byte for byte.
# Status: the command's own; 124: it took too long; 125: the guest did not come up, crashed or was
# killed. For a test that crashes the guest itself, at an exact point: echo b >/proc/sysrq-trigger;
# then run again with the same -D.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=$(readlink -f "${SNAPMGR_GUEST_HOME:-$here/../../.build/guest}")

usage() {
    sed -n '2,/^set -u/s/^# \{0,1\}//p' "$0" >&2
    exit 125
}
fail() {
    echo "guest: $*" >&2
    exit 125
}

limit=120 memory=1G modules='dm-mod dm-snapshot loop' udev='' kernel_log='' process_file=''
shared=() disks=() environment=()
while getopts t:d:D:w:e:m:M:uk:p:h option; do
    case $option in
        t) limit=$OPTARG ;;
        d) disks+=("new:$OPTARG") ;;
        D) disks+=("old:$(readlink -f "$OPTARG")") ;;
        w) shared+=("$(readlink -f "$OPTARG")") ;;
        e) environment+=("$OPTARG") ;;
        m) memory=$OPTARG ;;
        M) modules=$OPTARG ;;
        u) udev=yes ;;
        k) kernel_log=$OPTARG ;;
        p) process_file=$(readlink -f "$OPTARG") ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
(($# > 0)) || usage
[[ -e $home/stamp ]] || fail "it is not set up: run $here/setup.sh"

# The folder of this run. Its path goes into the kernel's command line, which has no quotes.
run=$(mktemp -d "${TMPDIR:-/tmp}/snapmgr-guest-XXXXXX") || fail 'there is no place for its files'
[[ $run != *[[:space:]]* ]] || fail "there must be no space in TMPDIR: $run"
ln -s "$home" "$run/home"

# The guest's memory is a file, on tmpfs if it can be; containers often have a tiny /dev/shm.
bytes=$(numfmt --from=iec "$memory") || fail "no size: $memory"
# What other guests have been promised counts as taken. One guest chooses and starts at a time,
# whatever tree it is of.
exec 8</tmp
flock 8
memory_folder=${SNAPMGR_GUEST_MEMORY_FOLDER:-}
promised=$(
    for process in /proc/[0-9]*; do { tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null && echo; done |
        sed -nE 's/.* mem=([0-9]+) .* guest_run=([^ ]+) .*/\2 \1/p' | sort -u |
        awk '{ sum += $2 } END { printf "%.0f", sum }'
)
for folder in /dev/shm "${TMPDIR:-/tmp}" /var/tmp; do
    [[ -z $memory_folder && -w $folder ]] || continue
    free=$(df --output=avail --block-size=1 "$folder" | tail -n 1)
    if ((free > bytes + promised)); then memory_folder=$folder; fi
done
[[ -n $memory_folder ]] || fail "there is no folder with $memory free for its memory"

vm=''
# The processes of this guest. It makes a session of its own, so they are known by the name of the
# run's folder in their arguments only.
guest_processes() {
    grep -lsz "^init=$run/guest-init.sh" /proc/[0-9]*/cmdline | sed 's:^/proc/\([0-9]*\)/.*:\1:'
}
# Ends the guest: the child of `unshare` or `timeout` first, so that these reap it, then whatever is
# left. What ran in the guest ends with it (PTRACE_O_EXITKILL, see uml-shim.c).
stop() {
    local process parent
    for process in $(guest_processes); do
        parent=$(cut -d' ' -f4 "/proc/$process/stat" 2>/dev/null)
        if [[ $parent == "$vm" ]]; then kill -KILL "$process" 2>/dev/null && sleep 0.2; fi
    done
    for process in $(guest_processes); do kill -KILL "$process" 2>/dev/null; done
    wait "$vm" 2>/dev/null
}
# shellcheck disable=SC2317 # The trap calls it.
clean_up() {
    [[ -z $vm ]] || stop
    [[ -z $kernel_log ]] || cp "$run/kernel.log" "$kernel_log" 2>/dev/null
    rm -rf "$run"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Disks: ubda, ubdb and so on. "d": the content is never taken for the header of User-mode Linux's own
# copy-on-write files. "c": the file is not locked, so that it can be used again at once after a crash.
arguments=() paths=()
letters=abcdefghijklmnop
for disk in ${disks[@]+"${disks[@]}"}; do
    index=${#paths[@]}
    ((index < 16)) || fail 'it can have 16 disks at most'
    file=${disk#*:}
    if [[ $disk == new:* ]]; then
        truncate -s "$file" "$run/disk$index" || fail "there can be no disk of $file"
        file=$run/disk$index
    fi
    [[ -f $file ]] || fail "there is no such file: $file"
    # Within the run's folder there are neither spaces nor commas.
    [[ $file == "$run"/* ]] || ln -s "$file" "$run/disk$index"
    arguments+=("ubd${index}dc=$run/disk$index")
    paths+=("/dev/ubd${letters:index:1}")
done

# The command, as a script: environment, folder, then the words given.
{
    echo "export SNAPMGR_GUEST=1 LVM_SUPPRESS_FD_WARNINGS=1"
    # To take memory from the guest's kernel, and to give it back, costs many times what it costs
    # outside: programs keep what they have. It made a suite ten times as fast.
    echo 'export MALLOC_TRIM_THRESHOLD_=1000000000 MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_ARENA_MAX=1'
    # Without udev libdevmapper makes the nodes itself.
    [[ -n $udev ]] || echo 'export DM_DISABLE_UDEV=1'
    printf 'export SNAPMGR_GUEST_DISKS=%q\n' "${paths[*]-}"
    for pair in ${environment[@]+"${environment[@]}"}; do
        printf 'export %s=%q\n' "${pair%%=*}" "${pair#*=}"
    done
    printf 'cd %q || exit 125\n' "$PWD"
    printf 'exec'
    printf ' %q' "$@"
    echo
} >"$run/command"
{
    printf 'home=%q\nmodules=%q\nudev=%q\n' "$home" "$modules" "$udev"
    printf 'shared=('
    printf ' %q' ${shared[@]+"${shared[@]}"}
    echo ' )'
} >"$run/config"
cp "$here/guest-init.sh" "$run/guest-init.sh"
: >"$run/kernel.log"

# How the guest is held: killed when this script is (pdeathsig), in a session of its own (its panic
# signals its whole process group), within a limit, and, for root, in a PID namespace, so that the
# helpers for its disks go with it. linux.uml must not be process 1 there: it could not kill itself.
# Others than root do without: in a user namespace root's files would be nobody's, which breaks
# setuid programs; only if this very script is killed may two idle helpers stay behind.
die_with_parent=(setpriv --pdeathsig KILL)
hold=("${die_with_parent[@]}" setsid)
if unshare --pid --fork --kill-child true 2>/dev/null; then
    hold+=(unshare --pid --fork --kill-child)
fi
hold+=(timeout --foreground --signal=KILL "$limit" "${die_with_parent[@]}")

# The guest sets O_NONBLOCK on its channels: private pipes, then, behind `cat`. They end when the last
# process of the guest has closed them, so nothing that was printed is lost.
exec 3>&1 4>&2
exec 5> >(exec cat >>"$run/kernel.log" 3>&- 4>&- 8<&-)
kernel_cat=$!
exec 6> >(exec cat >&3 4>&- 5>&- 8<&-)
output_cat=$!
exec 7> >(exec cat >&4 3>&- 5>&- 6>&- 8<&-)
error_cat=$!
(
    ulimit -c 0
    exec env -i PATH="$PATH" LD_PRELOAD="$run/home/uml-shim.so" TMPDIR="$memory_folder" \
        "${hold[@]}" "$home/linux.uml" mem="$bytes" rootfstype=hostfs rootflags=/ ro \
        init="$run/guest-init.sh" guest_run="$run" \
        con=null con0=null,fd:5 con1=null,fd:6 con2=null,fd:7 ssl=null \
        ${arguments[@]+"${arguments[@]}"} uml_dir="$run" umid=vm noreboot panic=-1 \
        </dev/null >&5 2>&1 3>&- 4>&- 8<&-
) &
vm=$!
# From now on it counts.
until grep -qsz "^guest_run=$run$" /proc/[0-9]*/cmdline || ! kill -0 "$vm" 2>/dev/null; do
    sleep 0.02
done
exec 8<&-
[[ -z $process_file ]] || echo "$vm" >"$process_file"
exec 5>&- 6>&- 7>&-
SECONDS=0
wait "$vm" 2>/dev/null
vm_status=$?
took=$SECONDS
stop
vm=''
wait "$kernel_cat" "$output_cat" "$error_cat" 2>/dev/null
exec 3>&- 4>&-

[[ ! -s $run/status ]] || exit "$(cat "$run/status")"
if ((took >= limit)); then
    echo "guest: it took more than $limit s" >&2
    exit 124
fi
echo "guest: it ended by itself (status $vm_status); the end of its kernel's log:" >&2
tail -n 25 "$run/kernel.log" >&2
exit 125
