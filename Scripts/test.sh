#!/bin/bash
# Every suite, three at a time; the first that fails ends the run with the end of its log.
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
    -c release -debug-info-format none -Xswiftc -enable-testing
    --explicit-target-dependency-import-check error)

passed=0
failed=0

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

# timed FILE COMMAND...: runs a command, and writes down the seconds that it has taken, and those of processors.
timed() {
    local file=$1 status=0 TIMEFORMAT='%R %U %S'
    shift
    { time "$@" 2>&3 3>&-; } 3>&2 2>"$file" || status=$?
    return "$status"
}

# seconds STEP COMMAND...: what a step has taken: what ran apart wrote that down itself.
seconds() {
    local file=$logs/$1.cpu
    if [[ ${4:-} == result_of ]]; then file=$apart_logs/$5.cpu; fi
    awk '{ printf "%5d s, of processors %5d s", $1, $2 + $3 }' "$file"
}

# step NAME LIMIT COMMAND...: runs a command within LIMIT seconds, if the step is wanted.
step() {
    is_wanted "$1" || return 0
    local name=$1 limit=$2 log="$logs/$1.log" status=0
    shift 2
    printf '%-19s ' "$name"
    timed "$logs/$name.cpu" timeout --kill-after=30 "$limit" "$@" >"$log" 2>&1 </dev/null ||
        status=$?
    count "$log" "$status"
    if ((status == 0)); then
        printf 'passed  %s\n' "$(seconds "$name" "$@")"
        sed -n 's/^skipped: /              skipped: /p' "$log"
        return
    fi
    printf 'FAILED  %s\n' "$(seconds "$name" "$@")"
    tail -n 40 "$log" | cut -c 1-1000
    if ((status == 124 || status == 137)); then echo "It was stopped after $limit s."; fi
    # What failed may have been said long before the end; last, since of a long record only the end
    # may be kept.
    echo "Of the whole log:"
    # With what a test says of its failure, which comes in the lines below it.
    grep -a -A 2 -E '✘.*recorded|^FAILED|error:' "$log" | head -n 24 | cut -c 1-1000 || true
    grep -a -E '✘.*failed after' "$log" | head -n 6 | cut -c 1-1000 || true
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

# Runs one suite in a guest of its own.
guest() {
    if [[ $1 == crash || $1 == reconnect ]]; then
        "Tests/Guest/$1.sh"
    else
        Tests/Guest/suite.sh "$1"
    fi
}

# Whatever runs beside others.
suite() {
    case $1 in
        unit) swift_tests --skip EndToEndTests ;;
        model | crash | faults | stress) "$torture" "$1" ;;
        commands) .build/release/snapmgr-command-torture ;;
        lookups) .build/release/snapmgr-command-torture lookups ;;
        reflink) reflinked ;;
        # Whether the benchmarks run; what they say is not a test.
        benchmarks) .build/release/snapmgr-bench first-writes ;;
        thread) thread_sanitized ;;
        fuzz) Fuzz/run.sh ;;
        end-to-end-*) end_to_end "${1#end-to-end-}" ;;
        guest-*) guest "${1#guest-}" ;;
        ceph) Tests/Ceph/run.sh ;;
        page) Tests/Page/run.sh ;;
        *) "$1" ;;
    esac
}

# apart LIMIT SUITE: runs one in the background, and leaves its log, its status and what it took.
apart() {
    local limit=$1 log=$apart_logs/$2 status=0
    # In the foreground: it ends with the group.
    timed "$log.cpu" timeout --foreground --kill-after=30 "$limit" "${self[@]}" suite "$2" \
        >"$log.log" 2>&1 </dev/null || status=$?
    echo "$status" >"$log.part"
    mv "$log.part" "$log.status"
}

# Says what one that ran in the background said, and ends as it did.
result_of() {
    local log=$apart_logs/$1
    cat "$log.log"
    return "$(<"$log.status")"
}

# together LIMIT SUITE...: a step for each suite that is wanted, as they end, so that a failure is told at once. Three
# run at a time: many wait more than they compute, and a guest has one processor.
together() {
    local limit=$1 name waiting left
    shift
    waiting=()
    for name; do
        if is_wanted "$name"; then waiting+=("$name"); fi
    done
    ((${#waiting[@]} > 0)) || return 0
    rm -rf "$apart_logs"
    mkdir -p "$apart_logs"
    printf '%s\n' "${waiting[@]}" |
        setsid --wait xargs -P 3 -I SUITE "${self[@]}" apart "$limit" SUITE &
    group=$!
    trap 'kill -TERM -- "-$group" 2>/dev/null || true' EXIT
    while ((${#waiting[@]} > 0)); do
        # Looked at first: what it leaves is there when it has gone.
        running=$(jobs -r)
        left=()
        for name in "${waiting[@]}"; do
            if [[ -e $apart_logs/$name.status || -z $running ]]; then
                step "$name" "$limit" "${self[@]}" result_of "$name"
            else
                left+=("$name")
            fi
        done
        waiting=("${left[@]}")
        sleep 0.5
    done
    wait "$group" || true
    trap - EXIT
}

# The suites on real block devices: a guest for each, so that one's end is not another's. Those that
# take longest come first.
guest_suites() {
    local suites long='guest-(safety|commands|kill|model|daemon)'
    is_wanted guest-setup && [[ -e .build/guest/stamp ]] || return 0
    suites=$("$guest_tests" list) || {
        echo 'The suites are not built: Scripts/test.sh build' >&2
        return 1
    }
    suites=$(printf '%s\n' crash reconnect "$suites" | sed 's/^/guest-/')
    grep -x -E "$long" <<<"$suites"
    grep -v -x -E "$long" <<<"$suites"
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
if is_wanted guest-setup; then step guest-setup 1800 "${self[@]}" guest_setup; fi
suites_in_guests=$(guest_suites)
# shellcheck disable=SC2086
together 2700 unit end-to-end-commands end-to-end-served lookups fuzz faults thread crash \
    $suites_in_guests commands model ceph page qemu vm databases reflink stress benchmarks
step manual 300 Scripts/lint-manual.sh
step units 600 Scripts/lint-units.sh
# Fetches a Debian and installs in it: by name only.
if [[ $wanted == *package* ]]; then step package 900 Packaging/test.sh .build/release; fi
# Boots a systemd and waits for its timers: by name only.
if [[ $wanted == *timers* ]]; then step timers 450 Scripts/try-units.sh; fi
rm -rf --one-file-system "$TMPDIR" || true
echo "$passed passed, $failed failed"
