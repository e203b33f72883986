#!/bin/bash
# Finds a second one of what the sources have once: each row names the only file that may have it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
status=0
while IFS=$'\t' read -r what pattern home; do
    found=$(grep -rnE --include='*.swift' "$pattern" Sources | grep -vE "^$home:" || true)
    [[ -z $found ]] && continue
    echo "$what has its place in $home; use that:" >&2
    echo "$found" >&2
    status=1
done < <(tr -s '\t' <<'END'
binary search	\((low|lower|left|first) \+ (high|upper|right|last)\) (/ 2|>> 1)|while (low|lower) < (high|upper)	Sources/SnapshotModel/Numbers/BinarySearch.swift
padding with zeroes	repeating: "0"|\? "0\\\(	Sources/SnapshotModel/Numbers/PaddedNumber.swift
the cut at a path's last slash	last(Index|Range)\(of: "/"|split\(separator: "/"\)\.last	Sources/SnapshotModel/PathHalves.swift
cutting bytes into lines	\bfirstIndex\(of: UInt8\(ascii: "\\n"\)\)	Sources/System/Sockets/LineBuffer.swift
JSON on one line	withoutEscapingSlashes	Sources/(System/Sockets/LineCodec|StoreFormat/Records/RecordCodec).swift
a time zone of the C library	\b(mktime|localtime_r|timegm|gmtime_r)\(	Sources/Scheduler/Time/TimeZoneRules.swift
END
)
exit $status
