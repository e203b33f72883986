#!/bin/bash
# The tree of folders shows the architecture: none holds more source files than a reader takes in.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
limit=20
crowded=$(find Sources Tests Benchmarks Fuzz -name '*.swift' -printf '%h\n' | sort | uniq -c |
    awk -v limit="$limit" '$1 > limit { print "  " $2 ": " $1 }')
[[ -z $crowded ]] || {
    echo "folders with more than $limit files side by side; cut them by subject:" >&2
    echo "$crowded" >&2
    exit 1
}
