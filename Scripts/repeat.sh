#!/bin/bash
# Runs steps of the tests again and again, and says which have failed how often: `make test` must pass whatever
# else the machine does. Everything must be built.
# Usage: Scripts/repeat.sh [--beside] [--killed] COUNT [STEP...]     unit and end-to-end by default
#   --beside   two runs at a time
#   --killed   before each round, a run that is killed after some seconds
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
beside='' killed=''
while [[ ${1:-} == --* ]]; do
    case $1 in
        --beside) beside=1 ;;
        --killed) killed=1 ;;
        *)
            sed -n '2,6s/^# //p' "$0" >&2
            exit 2
            ;;
    esac
    shift
done
count=${1:-}
[[ $count =~ ^[0-9]+$ ]] || {
    sed -n '2,6s/^# //p' "$0" >&2
    exit 2
}
shift
steps=("$@")
if ((${#steps[@]} == 0)); then steps=(unit end-to-end); fi
logs=.build/repeat-logs
rm -rf "$logs"
mkdir -p "$logs"

# A run that another one has killed: its processes go with it, and what it made stays.
kill_one() {
    local group
    setsid Scripts/test.sh "${steps[@]}" >/dev/null 2>&1 </dev/null &
    group=$!
    sleep $((5 + RANDOM % 20))
    kill -KILL -- "-$group" 2>/dev/null || true
    wait "$group" 2>/dev/null || true
}

# run NAME: one run, whose logs are kept when it fails.
run() {
    local start=$SECONDS status=0 word=passed
    SNAPMGR_TEST_LOGS='' Scripts/test.sh "${steps[@]}" >"$logs/$1.log" 2>&1 </dev/null || status=$?
    if ((status != 0)); then
        word=FAILED
        # Both runs of a round may have failed: each names its own.
        sed -nE 's/^Step .* failed; its whole log is (.*)\.$/\1/p' "$logs/$1.log" |
            while read -r log; do cp "$log" "$logs/$1-${log##*/}"; done
    fi
    printf '%-8s %s  %5d s\n' "$1" "$word" $((SECONDS - start))
    return "$status"
}

failed=0 runs=0
for ((round = 1; round <= count; round++)); do
    [[ -z $killed ]] || kill_one
    pids=()
    run "$round" &
    pids+=($!)
    if [[ -n $beside ]]; then
        run "$round-b" &
        pids+=($!)
    fi
    for pid in "${pids[@]}"; do
        runs=$((runs + 1))
        wait "$pid" || failed=$((failed + 1))
    done
done
# Which tests, and how often.
grep -haE '✘ Test .* (failed|recorded an issue)' "$logs"/*-*.log 2>/dev/null |
    sed -E 's/ (failed|recorded an issue).*//' | sort | uniq -c | sort -rn || true
echo "$failed of $runs runs failed; logs of those are in $logs"
((failed == 0))
