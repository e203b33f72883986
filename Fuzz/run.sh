#!/bin/bash
# Builds the fuzz targets with libFuzzer and AddressSanitizer and runs each for a bounded time, two
# at a time. A crash, a hang or an endless allocation fails, with the path of the input that does
# it. The same objects make the target `torture`: the model and stress suites under AddressSanitizer.
#
# Usage: Fuzz/run.sh [--build] [TARGET...]     all of them by default
#   --build   only builds them
# SNAPMGR_FUZZ_SECONDS               for each target; 8 by default
# SNAPMGR_SANITIZED_OPERATIONS       of the model suite; 1,000 by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${SNAPMGR_FUZZ_SECONDS:-8}
scratch=$PWD/.build-fuzz
objects=$scratch/objects
findings=$scratch/findings
mkdir -p "$objects" "$findings"
# What only this run uses, so that another one may be under way.
run=$(mktemp -d "$scratch/run-XXXXXX")
trap 'rm -rf "$run"' EXIT

# The settings of Package.swift. SwiftPM has no fuzz targets, so the modules are compiled here.
program_flags=(
    -O -g -wmo -swift-version 6 -warnings-as-errors -package-name snapmgr
    -enable-upcoming-feature ExistentialAny
    -enable-upcoming-feature InternalImportsByDefault
    -enable-upcoming-feature MemberImportVisibility
    -enable-experimental-feature Lifetimes
    -sanitize=fuzzer,address -use-ld=lld
    -I "$objects" -Xcc "-fmodule-map-file=$objects/CSystem.modulemap"
)
flags=("${program_flags[@]}" -parse-as-library)

# is_newer_than OUTPUT SOURCE...: whether an output is there, and nothing that it is made of changed since.
is_newer_than() {
    local output=$1
    shift
    [[ -e $output && -z $(find "$@" Fuzz/run.sh -newer "$output" -print -quit) ]]
}

# module NAME SOURCE...: compiles a module, unless it and what it is made of are older.
module() {
    local name=$1
    shift
    if [[ -z $rebuilt ]] && is_newer_than "$objects/$name.o" "$@" Sources/CSystem; then return 0; fi
    # Whatever comes after may depend on it.
    rebuilt=yes
    swiftc "${flags[@]}" -emit-module -emit-module-path "$objects/$name.swiftmodule" \
        -emit-object -o "$objects/$name.o" -module-name "$name" "$@"
}

# The modules of packages that ours use, as the release build has made them.
borrow_modules() {
    local name
    for name in InternalCollectionsUtilities HeapModule; do
        if [[ ! -e .build/release/Modules/$name.swiftmodule ]]; then
            echo "there is no release build, which has $name: run \`make build\` first" >&2
            exit 2
        fi
        cp .build/release/Modules/"$name".swiftmodule "$objects"
        borrowed+=(.build/release/"$name".build/*.o)
    done
}

rebuilt=
borrowed=()
build_modules() {
    local source object name sources_of
    for name in CSystem CStream CHash; do
        printf 'module %s { header "%s" export * }\n' \
            $name "$PWD/Sources/$name/include/$name.h"
    done >"$objects/CSystem.modulemap"
    for source in Sources/{CSystem,CStream,CHash}/*.c; do
        object=$objects/C-$(basename "$source" .c).o
        is_newer_than "$object" "$(dirname "$source")" ||
            clang -O2 -g -fPIC -fsanitize=address -I "$(dirname "$source")/include" -c "$source" -o "$object"
    done
    for name in SnapshotModel Scheduler System VolumeAccess StoreFormat MergeKit; do
        mapfile -t sources_of < <(find "Sources/$name" -name '*.swift' | sort)
        module "$name" "${sources_of[@]}"
    done
    module FuzzSupport Fuzz/Support/*.swift
    modules=("$objects"/C-*.o "${borrowed[@]}"
        "$objects"/{SnapshotModel,Scheduler,System,VolumeAccess,StoreFormat,MergeKit}.o
        "$objects/FuzzSupport.o")
}

# What a target looks into that other modules cannot see is compiled into it.
declare -A sources=(
    [area]=Fuzz/AreaFuzzer.swift
    [record]=Fuzz/RecordFuzzer.swift
    [journal]=Fuzz/JournalFuzzer.swift
    [write-back]=Fuzz/WriteBackFuzzer.swift
    [stream]="Fuzz/StreamFuzzer.swift $(find Sources/Stream -name '*.swift' -printf '%p ')"
    [index-map]=Fuzz/IndexMapFuzzer.swift
    [seal]=Fuzz/SealFuzzer.swift
    [chunk-map]='Fuzz/ChunkMapFuzzer.swift Sources/Catalog/ChunkMaps/ChunkRunCodec.swift
        Sources/Catalog/ChunkMaps/ChunkSegment.swift Sources/Catalog/File/CatalogError.swift'
    [control]='Fuzz/ControlFuzzer.swift Sources/Control/ControlWire.swift'
    [settings]="Fuzz/SettingsFuzzer.swift $(find Sources/Settings -name '*.swift' -printf '%p ')"
    [time-zone]=Fuzz/TimeZoneFuzzer.swift
    [calendar]=Fuzz/CalendarFuzzer.swift
    [retention]=Fuzz/RetentionFuzzer.swift
    [clock]=Fuzz/ClockFuzzer.swift
    # Of the built binary, by a script of its own.
    [catalog]=""
    # No fuzz target, but suites that are compiled as those are.
    [torture]=""
)
build_only=
if [[ ${1:-} == --build ]]; then
    build_only=yes
    shift
fi
targets=("$@")
((${#targets[@]} > 0)) || targets=(
    area record journal write-back stream index-map seal chunk-map control settings time-zone calendar retention
    clock catalog torture)

# As programs with a main of their own, without libFuzzer's; AddressSanitizer answers for its counters.
link_program() {
    local output=$1
    shift
    swiftc -sanitize=address -use-ld=lld -o "$output" "$@" "${modules[@]}" -lcrypto -lzstd
}

build_torture() {
    if ! is_newer_than "$scratch/torture" Tests/TestKit Tests/Torture "${modules[@]}"; then compile_torture; fi
    ln -f "$scratch/torture" "$run/torture"
}

compile_torture() {
    local name sources_of
    for name in TestKit Torture; do
        mapfile -t sources_of < <(find "Tests/$name" -name '*.swift' | sort)
        swiftc "${program_flags[@]}" -emit-module -emit-module-path "$objects/$name.swiftmodule" \
            -emit-object -o "$objects/$name.o" -module-name "$name" "${sources_of[@]}"
    done
    link_program "$scratch/torture" "$objects"/{TestKit,Torture}.o
}

build_target() {
    local target=$1
    if [[ $target == torture ]]; then
        build_torture
        return
    fi
    [[ -n ${sources[$target]} ]] || return 0
    # Intended splitting: a list of paths without spaces.
    # shellcheck disable=SC2086
    is_newer_than "$scratch/$target" ${sources[$target]} "${modules[@]}" ||
        swiftc "${flags[@]}" -module-name Fuzzer -o "$scratch/$target" ${sources[$target]} \
            "${modules[@]}" -lcrypto -lzstd
    # This run's own name for what it has built.
    ln -f "$scratch/$target" "$run/$target"
}

write_seeds() {
    mkdir -p "$run/seeds"
    swiftc "${flags[@]}" -emit-object -o "$objects/SeedWriter.o" -module-name SeedWriter \
        Fuzz/SeedWriter.swift Sources/Control/ControlWire.swift
    link_program "$scratch/seed-writer" "$objects/SeedWriter.o"
    "$scratch/seed-writer" "$run/seeds"
    mkdir -p "$run/seeds/settings" "$run/seeds/stream"
    cp Config/*.toml "$run/seeds/settings"
    # The golden stream, behind the byte that says that it is one.
    printf '%b' "\\0$(tr -d '\n' <Tests/StreamTests/Fixtures/version-1.hex | sed 's/../\\x&/g')" \
        >"$run/seeds/stream/version-1"
    cp Tests/SchedulerTests/Fixtures/zones/*.tzif "$run/seeds/time-zone"
}

fuzz() {
    local target=$1 log="$run/$1.log"
    if [[ $target == catalog ]]; then
        Fuzz/catalog.sh "$seconds" "$findings"
        return
    fi
    if [[ $target == torture ]]; then
        SNAPMGR_MODEL_OPERATIONS=${SNAPMGR_SANITIZED_OPERATIONS:-1000} "$run/torture" model stress
        return
    fi
    mkdir -p "$scratch/corpus/$target" "$run/seeds/$target"
    # No look for leaks, which the runtime's own caches are; and little memory about freed blocks,
    # which makes a run several times as fast.
    local options=detect_leaks=0:malloc_context_size=0:quarantine_size_mb=16
    if SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=$options timeout --kill-after=60 $((seconds + 600)) \
        "$run/$target" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 \
        -use_value_profile=1 -print_final_stats=1 -artifact_prefix="$findings/$target-" \
        "$scratch/corpus/$target" "$run/seeds/$target" >"$log" 2>&1
    then
        echo "$target: $(sed -n 's/stat::number_of_executed_units: *//p' "$log") inputs, no finding"
    else
        grep -E 'ERROR|Fatal error|^ +#[0-9]+ ' "$log" | head -n 30 || true
        local input
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        echo "$target: FAILED${input:+; replay it with: $scratch/$target $input}"
        return 1
    fi
}

# two_at_a_time FUNCTION ARGUMENT...: calls a function for each argument, and counts what fails.
failures=0
two_at_a_time() {
    local function=$1 argument jobs=()
    shift
    for argument; do
        "$function" "$argument" &
        jobs+=($!)
        if ((${#jobs[@]} == 2)); then
            wait "${jobs[0]}" || failures=$((failures + 1))
            jobs=("${jobs[@]:1}")
        fi
    done
    for argument in "${jobs[@]}"; do wait "$argument" || failures=$((failures + 1)); done
}

# One builds at a time. Programs that run are replaced, not written to.
exec 9>"$scratch/lock"
flock 9
borrow_modules
build_modules
for target in "${targets[@]}"; do
    [[ -v sources[$target] ]] || { echo "no fuzz target is called $target" >&2; exit 2; }
done
two_at_a_time build_target "${targets[@]}"
((failures == 0)) || exit 1
[[ -z $build_only ]] || exit 0
write_seeds
exec 9>&-

two_at_a_time fuzz "${targets[@]}"
echo "$((${#targets[@]} - failures)) passed, $failures failed"
((failures == 0))
