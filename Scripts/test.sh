#!/bin/bash
# Every suite, one step after the other; the first that fails ends the run with the end of its log.
# docs/testing.md tells what each step does and which variables make it longer.
# Usage: Scripts/test.sh [STEP...]     all of them by default; "guest" is all steps guest-...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Runs beside each other have logs of their own: the first one's are in .build/test-logs. A lock goes
# with the last process of its run, however that ends.
number=1
logs=${SNAPMGR_TEST_LOGS:-}
while [[ -z $logs ]]; do
    logs=.build/test-logs
    if ((number > 1)); then logs+=-$number; fi
    number=$((number + 1))
    mkdir -p "$logs"
    exec 9>"$logs/.lock"
    flock --nonblock 9 || logs=
done
if [[ -z ${SNAPMGR_TEST_LOGS:-} ]]; then
    export SNAPMGR_TEST_LOGS=$logs
    # What a run that was killed has left: as the lock tells, none of its processes is there any more.
    left=$(cat "$logs/.folder" 2>/dev/null || true)
    if [[ $left == */snapmgr-run-?????? && -d $left ]]; then
        { findmnt --raw --noheadings --output TARGET | grep "^$left/" || true; } |
            while read -r mount; do umount --lazy "$mount" || true; done
        rm -rf --one-file-system "$left"
    fi
    TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/snapmgr-run-XXXXXX")
    export TMPDIR
    # Tests run programs as other users, too, who must come to what they are to be kept off.
    chmod 711 "$TMPDIR"
    echo "$TMPDIR" >"$logs/.folder"
fi
# Who takes a lock out of order, or reads and writes under a value's, ends at once.
export SNAPMGR_CHECKS_LOCKS=1
apart_logs=$logs/apart
torture=.build/release/snapmgr-torture
guest_tests=.build/release/snapmgr-guest-tests
build_flags=(
    -c release -Xswiftc -enable-testing --explicit-target-dependency-import-check error)

passed=0
failed=0
# The group of what runs in the background through many steps.
ahead=

# Adds what a step's log counts to the totals: the tests of each run of swift-testing, else the last
# line "N passed, M failed", else the step itself.
count() {
    local log=$1 status=$2 line tests=0
    while read -r line; do
        tests=$((tests + line))
    done < <(sed -nE 's/.*Test run with ([0-9]+) tests?.* passed.*/\1/p' "$log")
    line=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$log" | tail -n 1)
    if [[ -n $line ]]; then
        passed=$((passed + ${line% *}))
        failed=$((failed + ${line#* }))
    else
        passed=$((passed + (tests > 0 ? tests : status == 0)))
    fi
    # However little the log says, a step that fails is a failure.
    if ((status != 0 && failed == 0)); then failed=1; fi
}

# Whether a step is among the arguments, by its name or by that of its group. No suite runs in a
# guest that is not set up.
is_wanted() {
    [[ -z $wanted || " $wanted " == *" $1 "* ]] ||
        [[ $1 == guest-* && " $wanted " == *' guest '* ]] ||
        [[ $1 == end-to-end-* && " $wanted " == *' end-to-end '* ]] ||
        [[ $1 == guest-setup && " $wanted" == *' guest-'* ]]
}

# timed FILE COMMAND...: runs a command, and writes down the seconds of processors that it has taken.
timed() {
    local file=$1 status=0 TIMEFORMAT='%U %S'
    shift
    { time "$@" 2>&3 3>&-; } 3>&2 2>"$file" || status=$?
    return "$status"
}

# What a step has taken: what ran apart wrote that down itself.
processor_seconds() {
    local file=$1
    if [[ ${4:-} == result_of ]]; then file=$apart_logs/$5-$6.cpu; fi
    awk '{ seconds += $1 + $2 } END { printf "%d", seconds }' "$file"
}

# step NAME LIMIT COMMAND...: runs a command within LIMIT seconds, if the step is wanted.
step() {
    is_wanted "$1" || return 0
    local name=$1 limit=$2 log="$logs/$1.log" start=$SECONDS status=0
    shift 2
    printf '%-19s ' "$name"
    timed "$logs/$name.cpu" timeout --kill-after=30 "$limit" "$@" >"$log" 2>&1 </dev/null ||
        status=$?
    count "$log" "$status"
    if ((status == 0)); then
        printf 'passed  %5d s, of processors %5d s\n' $((SECONDS - start)) \
            "$(processor_seconds "$logs/$name.cpu" "$@")"
        sed -n 's/^skipped: /              skipped: /p' "$log"
        return
    fi
    printf 'FAILED  %5d s\n' $((SECONDS - start))
    tail -n 40 "$log" | cut -c 1-1000
    if ((status == 124 || status == 137)); then echo "It was stopped after $limit s."; fi
    # What failed may have been said long before the end; last, since of a long record only the end
    # may be kept.
    echo "Of the whole log:"
    grep -a -E '✘|^FAILED|error:' "$log" | head -n 12 | cut -c 1-1000 || true
    echo "Step $name failed; its whole log is $log."
    echo "$passed passed, $failed failed"
    exit 1
}

build() {
    # The libraries' unhandled files and the linker's remarks are theirs; ours are errors.
    swift build "${build_flags[@]}" --build-tests
}

# What is built is only read: two runs do not wait for each other.
swift_tests() {
    swift test "${build_flags[@]}" --skip-build --ignore-lock --disable-xctest "$@"
}

# ThreadSanitizer's build has objects of its own; AddressSanitizer's are those of the fuzz targets.
thread_sanitized() {
    swift build -c release --sanitize=thread --product snapmgr-torture --scratch-path .build-thread
    SNAPMGR_MODEL_OPERATIONS=${SNAPMGR_SANITIZED_OPERATIONS:-1000} \
        .build-thread/release/snapmgr-torture model stress
}

# The tests of the built programs: of what is served and sent, or all others.
end_to_end() {
    local served='EndToEndTests\.Served(Tests|Clients|Streams)/'
    case $1 in
        served) swift_tests --filter "$served" ;;
        *) swift_tests --filter EndToEndTests --skip "$served" ;;
    esac
}

# What needs a build of its own: the fuzz targets are only built here.
instrumented() {
    case $1 in
        fuzz) Fuzz/run.sh --build ;;
        thread) thread_sanitized ;;
    esac
}

# One after the other.
instrumented_ones() {
    local one
    for one; do apart instrumented "$one"; done
}

# Builds the fuzz targets unless that was done ahead, and runs them.
fuzz() {
    result_of instrumented fuzz
    Fuzz/run.sh
}

# The engine's tests and the stress suite on an XFS that shares extents; 77: not to be had here.
reflinked() {
    Scripts/reflink.sh 2048 "$0" run on_reflinks || {
        local status=$?
        if ((status == 77)); then return 0; fi
        return "$status"
    }
}

on_reflinks() {
    export SNAPMGR_TEST_FOLDER=$SNAPMGR_REFLINK_FOLDER
    # Alone: these judge by the filesystem's free space.
    SNAPMGR_EXPECT_REFLINK=1 swift_tests --no-parallel --filter ReflinkTests
    swift_tests --filter MergeKitTests
    "$torture" stress
}

# 77: the guest is not to be had here.
guest_setup() {
    Tests/Guest/setup.sh || {
        local status=$?
        if ((status == 77)); then return 0; fi
        return "$status"
    }
}

# 77: QEMU or its guest is not to be had here.
qemu() {
    Tests/QEMU/run.sh || {
        local status=$?
        if ((status == 77)); then return 0; fi
        return "$status"
    }
}

# Likewise.
vm() {
    local script status
    for script in agent run; do
        status=0
        "Tests/VirtualMachine/$script.sh" || status=$?
        if ((status != 0 && status != 77)); then return "$status"; fi
    done
    if ((EUID == 0 && status == 0)); then
        SNAPMGR_VM_METHOD=live SNAPMGR_VM_SETS=2 SNAPMGR_VM_REVERTS=1 Tests/VirtualMachine/run.sh
    fi
}

# Likewise: root, and FUSE.
databases() {
    Tests/PostgreSQL/run.sh || {
        local status=$?
        if ((status == 77)); then return 0; fi
        return "$status"
    }
}

# What runs with servers of others.
hosted() {
    case $1 in
        ceph) Tests/Ceph/run.sh ;;
        *) "$1" ;;
    esac
}

# Runs one suite in a guest of its own.
guest() {
    if [[ $1 == crash || $1 == reconnect ]]; then
        "Tests/Guest/$1.sh"
    else
        Tests/Guest/suite.sh "$1"
    fi
}

# apart FUNCTION ARGUMENT: runs in the background, and leaves its log and its status.
apart() {
    local log=$apart_logs/$1-$2 status=0
    timed "$log.cpu" "${self[@]}" "$@" >"$log.log" 2>&1 </dev/null || status=$?
    echo "$status" >"$log.part"
    mv "$log.part" "$log.status"
}

# Waits for what runs in the background, says what it said, and ends as it did.
result_of() {
    local log=$apart_logs/$1-$2
    while [[ ! -e $log.status ]]; do sleep 0.5; done
    cat "$log.log"
    return "$(<"$log.status")"
}

# What is for the most part one long compilation begins early, in the time that other steps leave: many
# wait more than they compute. Of the same session as they are: the kernel weighs them by their niceness
# within one only.
begin_instrumented() {
    local one wanted_ones=()
    for one in thread fuzz; do
        if is_wanted "$one"; then wanted_ones+=("$one"); fi
    done
    ((${#wanted_ones[@]} > 0)) || return 0
    mkdir -p "$apart_logs"
    rm -f "$apart_logs/instrumented"-*
    timeout 14400 nice -n 19 "${self[@]}" instrumented_ones "${wanted_ones[@]}" &
    ahead=$!
    trap end_instrumented EXIT
}

# `timeout` has a process group of its own.
end_instrumented() {
    if [[ -n $ahead ]]; then kill -TERM -- "-$ahead" 2>/dev/null || true; fi
}

# steps_of_two FUNCTION LIMIT PREFIX ARGUMENT...: a step for each argument of a function, those that
# are wanted; two of them run at a time.
steps_of_two() {
    local function=$1 limit=$2 prefix=$3 argument wanted_arguments=()
    shift 3
    for argument; do
        if is_wanted "$prefix$argument"; then wanted_arguments+=("$argument"); fi
    done
    ((${#wanted_arguments[@]} > 0)) || return 0
    mkdir -p "$apart_logs"
    rm -f "$apart_logs/$function"-*
    printf '%s\n' "${wanted_arguments[@]}" |
        setsid --wait xargs -P 2 -I ARGUMENT "${self[@]}" apart "$function" ARGUMENT &
    group=$!
    trap 'kill -TERM -- "-$group" 2>/dev/null || true; end_instrumented' EXIT
    for argument in "${wanted_arguments[@]}"; do
        step "$prefix$argument" "$limit" "${self[@]}" result_of "$function" "$argument"
    done
    wait "$group" || true
    trap end_instrumented EXIT
}

# The suites on real block devices: a guest for each, so that one's end is not another's. A guest has
# one processor.
guest_steps() {
    local suites
    is_wanted guest-setup || return 0
    step guest-setup 1800 "${self[@]}" guest_setup
    if [[ ! -e .build/guest/stamp ]]; then return; fi
    suites="crash reconnect $("$guest_tests" list)" || {
        echo 'The suites are not built: Scripts/test.sh build'
        exit 1
    }
    # shellcheck disable=SC2086
    steps_of_two guest 4800 guest- $suites
}

self=("$0" run)
# Runs as `Scripts/test.sh run FUNCTION ARGUMENTS` within a step, so that `timeout` bounds it.
if [[ ${1:-} == run ]]; then
    shift
    "$@"
    exit
fi
wanted=$*

step lint 900 make --no-print-directory lint
step build 5400 "${self[@]}" build
begin_instrumented
step unit 2400 "${self[@]}" swift_tests --skip EndToEndTests
step model 1800 "$torture" model
step crash 1800 "$torture" crash
step commands 1800 .build/release/snapmgr-command-torture
step lookups 2400 .build/release/snapmgr-command-torture lookups
step faults 1800 "$torture" faults
step stress 1800 "$torture" stress
step reflink 1800 "${self[@]}" reflinked
# Whether the benchmarks run; what they say is not a test.
step benchmarks 900 .build/release/snapmgr-bench first-writes
# They wait more than they compute, and one process tests two things at a time.
steps_of_two end_to_end 5400 end-to-end- served commands
# Machines and clusters that wait for each other's answers, two at a time.
steps_of_two hosted 3600 '' qemu ceph vm databases
guest_steps
step thread 2400 "${self[@]}" result_of instrumented thread
step fuzz 2400 "${self[@]}" fuzz
step page 1800 Tests/Page/run.sh
step manual 300 Scripts/lint-manual.sh
step units 600 Scripts/lint-units.sh
# Fetches a Debian and installs in it: by name only.
if [[ $wanted == *package* ]]; then step package 900 Packaging/test.sh .build/release; fi
# Boots a systemd and waits for its timers: by name only.
if [[ $wanted == *timers* ]]; then step timers 450 Scripts/try-units.sh; fi
rm -rf --one-file-system "$TMPDIR" || true
echo "$passed passed, $failed failed"
