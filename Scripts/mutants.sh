#!/bin/bash
# Proves that tests notice what they are for: takes one mend after the other out of a copy of the
# sources (Tests/Mutants/NAME.patch), builds, and runs the tests that are named for it. They must fail.
# Usage: Scripts/mutants.sh [--together COUNT] [NAME...]     all of them by default
#   --together  plants up to so many in one build that change different files and are named for
#               different tests. One may hide another, or be taken for it: what a test says is shown,
#               and must be read.
#
# A mutant is a patch for `git apply` below a few lines: `Fault:` says what is wrong with it, each
# `Test:` is a filter for `swift test --filter`, each `Guest: SUITE FILTER` one for the cases of a suite
# of Tests/Guest/suite.sh, in whose guest they run. Each filter must find tests that pass without the
# mutant, and that fail with it: by an expectation or by a crash, but neither by an error of the build
# nor by going on for ever. A patch that does not apply any more is stale: it has to be made anew.
#
# What became of each goes into Tests/Mutants/RESULTS, with the day and the commit.
#
# The copy, with its build, stays in .build-mutants, so that the next run takes minutes less.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
sources=$PWD/Tests/Mutants
folder=$PWD/.build-mutants
tree=$folder/tree
logs=$folder/logs
results=$sources/RESULTS
together=1
if [[ ${1:-} == --together ]]; then
    together=${2:-}
    [[ $together =~ ^[1-9][0-9]*$ ]] || {
        sed -n '4,7s/^# //p' "$0" >&2
        exit 2
    }
    shift 2
fi
build_seconds=${SNAPMGR_MUTANT_BUILD_SECONDS:-3600}
test_seconds=${SNAPMGR_MUTANT_TEST_SECONDS:-600}
# The guest's parts are the same whatever is tested in it.
export SNAPMGR_GUEST_HOME=${SNAPMGR_GUEST_HOME:-$PWD/.build/guest}
build_flags=(
    -c release -debug-info-format none -Xswiftc -enable-testing
    --explicit-target-dependency-import-check error)

mkdir -p "$tree" "$logs"
exec 9>"$folder/.lock"
flock --nonblock 9 || {
    echo 'Another run is at work in .build-mutants' >&2
    exit 1
}
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/snapmgr-run-XXXXXX")
export TMPDIR
# As all tests have it: docs/locks.md.
export SNAPMGR_CHECKS_LOCKS=1
# Tests run programs as other users, too.
chmod 711 "$TMPDIR"
applied=()
take_back() {
    local name
    for name in "${applied[@]}"; do in_tree apply --reverse "$sources/$name.patch"; done
    applied=()
}
# shellcheck disable=SC2317 # The trap calls it.
clean_up() {
    take_back
    rm -rf --one-file-system "$TMPDIR"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The copy is not a repository, though it lies in one.
in_tree() { GIT_CEILING_DIRECTORIES=$folder git -C "$tree" "$@"; }

# Makes the copy what the tracked files are now. What has not changed keeps its time, so that it is
# not built again.
copy() {
    local file
    git ls-files -z >"$folder/files"
    while IFS= read -r -d '' file; do
        if [[ ! -f $file && ! -L $file ]]; then continue; fi
        if [[ ! -L $file ]] && cmp --silent "$file" "$tree/$file"; then continue; fi
        mkdir -p "$tree/$(dirname "$file")"
        cp --no-dereference --preserve=mode "$file" "$tree/$file"
    done <"$folder/files"
    (cd "$tree" && find . -name .build -prune -o \( -type f -o -type l \) -printf '%P\0') |
        while IFS= read -r -d '' file; do
            if [[ ! -f $file && ! -L $file ]] || ! grep -qzxF -- "$file" "$folder/files"; then
                rm -f "$tree/$file"
            fi
        done
}

build() {
    (cd "$tree" && timeout --kill-after=30 "$build_seconds" \
        swift build "${build_flags[@]}" --build-tests) >"$1" 2>&1 </dev/null
}

run_tests() {
    local log=$1
    shift
    (cd "$tree" && timeout --kill-after=30 "$test_seconds" swift test "${build_flags[@]}" \
        --skip-build --ignore-lock --disable-xctest "$@") >"$log" 2>&1 </dev/null
}

# Runs the cases of a line `Guest:`. There must be some.
run_guest() {
    local log=$1 suite=${2%% *} filter=${2#* } status=0
    (cd "$tree" && timeout --kill-after=30 "$test_seconds" \
        Tests/Guest/suite.sh "$suite" --filter "$filter") >"$log" 2>&1 </dev/null || status=$?
    # Neither is a test that fails: the guest did not come up, or no case has the filter's words.
    if ((status == 125)) || ! grep -aqE '^(✔|✘) ' "$log"; then return 125; fi
    return "$status"
}

field() { sed -n "/^$/q; s/^$2: //p" "$sources/$1.patch"; }

# Applies a mutant's patch to the copy, unless it is stale.
plant() {
    in_tree apply "$sources/$1.patch" 2>"$logs/$1.apply" || return
    applied+=("$1")
}

# Says what a planted mutant's tests made of it: killed, survived, or what kept that from being seen.
judge() {
    local name=$1 kind filter status number=0
    while read -r kind filter; do
        number=$((number + 1))
        status=0
        case $kind in
            Test) run_tests "$logs/$name.$number" --filter "$filter" || status=$? ;;
            Guest) run_guest "$logs/$name.$number" "$filter" || status=$? ;;
        esac
        case $status in
            0)
                echo "survived $filter"
                return
                ;;
            124 | 137)
                echo "hangs in $filter"
                return
                ;;
            125)
                echo "no case of the guest ran for $filter"
                return
                ;;
        esac
    done < <(for kind in Test Guest; do field "$name" "$kind" | sed "s/^/$kind /"; done)
    echo killed
}

# What the tests of a mutant said first.
said() { grep -ahE '✘ .*(recorded an issue|: )|^✘ ' "$logs/$1".[0-9]* 2>/dev/null | head -n 1 | cut -c 1-300 || true; }

# Notes what became of a mutant, in the place of what was known of it: name, day, commit (with a + when
# the sources have changes besides), how many were planted with it, the sum of its lines, result.
note() {
    local name=$1 result=$2 count=$3
    {
        grep -v -e '^#' -e "^$name " "$results" 2>/dev/null || true
        echo "$name $(date -u +%F) $commit $count $(Scripts/mutant-sum.sh "$name") $result"
    } | LC_ALL=C sort >"$folder/results"
    {
        echo '# Written by Scripts/mutants.sh: mutant, day, commit, planted together, sum of its lines, result'
        cat "$folder/results"
    } >"$results"
}

# told NAME RESULT COUNT SECONDS: says and notes it.
told() {
    if [[ $2 == killed ]]; then killed=$((killed + 1)); fi
    printf '%-24s %-9s %5d s  %s\n' "$1" "$2" "$4" "$(field "$1" Fault)"
    if (($3 > 1)); then said "$1"; fi
    note "$1" "$2" "$3"
}

# Plants some mutants in one build, and judges each. Where they do not build together, each is alone.
try_together() {
    local name count start=$SECONDS
    for name in "$@"; do plant "$name" || told "$name" stale 1 0; done
    local planted=("${applied[@]}")
    count=${#planted[@]}
    if ((count == 0)); then return; fi
    if ! build "$logs/${planted[0]}.build"; then
        take_back
        if ((count == 1)); then
            told "${planted[0]}" 'does not build' 1 $((SECONDS - start))
            return
        fi
        for name in "${planted[@]}"; do try_together "$name"; done
        return
    fi
    for name in "${planted[@]}"; do
        # In no subshell: it notes what is applied.
        judge "$name" >"$folder/result"
        told "$name" "$(<"$folder/result")" "$count" $((SECONDS - start))
        start=$SECONDS
    done
    take_back
}

# What no two mutants of one build may share, line by line: files that they change, and tests.
claims() { sed -n 's/^+++ b\///p; s/^Test: //p; s/^Guest: //p' "$sources/$1.patch"; }

names=("$@")
if ((${#names[@]} == 0)); then
    mapfile -t names < <(cd "$sources" && printf '%s\n' *.patch | sed 's/\.patch$//')
fi
for name in "${names[@]}"; do
    if [[ ! -f $sources/$name.patch ]]; then
        echo "There is no Tests/Mutants/$name.patch" >&2
        exit 1
    fi
done

copy
echo 'building without a mutant'
build "$logs/build" || {
    tail -n 40 "$logs/build"
    exit 1
}
(cd "$tree" && swift test list "${build_flags[@]}" --skip-build --ignore-lock --disable-xctest) \
    >"$logs/list" 2>/dev/null
filters=()
cases=()
for name in "${names[@]}"; do
    while IFS= read -r filter; do
        grep -qE -- "$filter" "$logs/list" || {
            echo "$name: no test is $filter" >&2
            exit 1
        }
        filters+=(--filter "$filter")
    done < <(field "$name" Test)
    while IFS= read -r filter; do cases+=("$filter"); done < <(field "$name" Guest)
    if [[ -z $(field "$name" Test; field "$name" Guest) || -z $(field "$name" Fault) ]]; then
        echo "$name: a line Fault:, or both Test: and Guest:, are missing" >&2
        exit 1
    fi
done
echo 'running the tests without a mutant'
must_pass_first() {
    grep -a -E '✘|error:' "$1" | head -n 20 || true
    echo "They must pass first; the whole log is $1" >&2
    exit 1
}
if ((${#filters[@]} > 0)); then
    test_seconds=$((test_seconds + 60 * ${#names[@]})) run_tests "$logs/tests" "${filters[@]}" ||
        must_pass_first "$logs/tests"
fi
if ((${#cases[@]} > 0)); then
    while IFS= read -r filter; do
        run_guest "$logs/guest" "$filter" || must_pass_first "$logs/guest"
    done < <(printf '%s\n' "${cases[@]}" | sort -u)
fi

commit=$(git rev-parse --short=8 HEAD)
git diff --quiet HEAD -- Sources Tests ':!Tests/Mutants' || commit+=+
killed=0
rest=("${names[@]}")
while ((${#rest[@]} > 0)); do
    batch=() later=()
    declare -A taken=()
    for name in "${rest[@]}"; do
        free=1
        while IFS= read -r claim; do [[ -z ${taken[$claim]:-} ]] || free=; done < <(claims "$name")
        if [[ -z $free ]] || ((${#batch[@]} == together)); then
            later+=("$name")
            continue
        fi
        batch+=("$name")
        while IFS= read -r claim; do taken[$claim]=1; done < <(claims "$name")
    done
    unset taken
    try_together "${batch[@]}"
    rest=("${later[@]}")
done
echo "$killed of ${#names[@]} mutants were killed; logs are in .build-mutants/logs"
((killed == ${#names[@]}))
