#!/bin/bash
# Finds arithmetic that may trap on numbers that come from disk, sockets, clocks or the catalog:
# `+`, `-` and `*` on the fields that carry such numbers anywhere, and any in the files that decode
# them. Use what SnapshotModel has for it (addingClamped and others, Timestamp's own functions), or
# check the bounds before and add the line to lint-arithmetic.allow, which holds what was looked at.
# Usage: Scripts/lint-arithmetic.sh [--list]     with it, prints what is found as lines of the list
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

allowed=Scripts/lint-arithmetic.allow
export LC_ALL=C

# Numbers that others may have written, by the names that they have everywhere.
fields='nanoseconds|planChunkCount|safetyEntryCount|planBytes|mergedBytes|changedBytes'
fields+='|exclusiveBytes|heldNanoseconds|bytesPerSecond|modifiedNanoseconds|takenAt|snapshotsSeen'

# What turns bytes and rows into values.
decoders=(
    Sources/Catalog/{Rows/{RowReader,SnapshotSelection},ChunkMaps/{ChunkRunCodec,ChunkSegment}}.swift
    Sources/Catalog/{Sets,Store}/CatalogStore+*.swift
    Sources/Control/{ControlWire,LineReader}.swift
    Sources/StoreFormat/Records/{CanonicalManifest,RecordCodec,MergeJournal,OriginState,RevertRecord}.swift
    Sources/StoreFormat/{Store/{Store,StoreLayout,StoreReader},Areas/{AreaFormat,AreaReader}}.swift
    Sources/StoreFormat/Planning/{RevertPlan,MergeLimits}.swift
    Sources/Manager/Volumes/StoreContents.swift
    Sources/Scheduler/Time/{TimeZoneFile,TimeSpan}.swift
    Sources/SnapshotModel/{Time/Timestamp,Numbers/ByteCount,Chunks/Geometry,Merge}.swift
)

# Code without comments and texts, as PATH: LINE.
code() {
    grep -nH '' "$@" | sed -E 's/^([^:]+):[0-9]+: */\1: /; s/"([^"\\]|\\.)*"/""/g; s,//.*,,'
}

found() {
    local sources
    mapfile -t sources < <(find Sources -name '*.swift' ! -name ClampedArithmetic.swift | sort)
    {
        code "${sources[@]}" | grep -E "\.($fields)\)? [-+*] |[-+*] [A-Za-z0-9_.()]*\.($fields)\b" || true
        code "${decoders[@]}" | grep -E ': .*[A-Za-z0-9_)] ([-+*]|[-+*]=) [A-Za-z0-9_(]' || true
    } | grep -vE ': (import|case|func) ' | sort -u
}

if [[ ${1-} == --list ]]; then
    found
    exit
fi

new=$(comm -23 <(found) <(grep -v "^#" "$allowed" | sort -u))
gone=$(comm -13 <(found) <(grep -v '^#' "$allowed" | sort -u))
if [[ -n $gone ]]; then
    echo "these lines of $allowed are in no file any more; take them out:" >&2
    echo "$gone" >&2
fi
if [[ -n $new ]]; then
    echo 'arithmetic on numbers from outside; clamp it, or check the bounds and list it:' >&2
    echo "$new" >&2
fi
[[ -z $new && -z $gone ]]
