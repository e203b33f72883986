#!/bin/bash
# Checks the manual pages: warnings of mandoc, and of man where there is one, are errors.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
shopt -s nullglob
pages=(man/*.[1-8])
((${#pages[@]} == 0)) || mandoc -T lint -W warning "${pages[@]}"

command -v man >/dev/null || exit 0
said=$(
    for page in "${pages[@]}"; do
        # What fits one width may not fit another.
        for width in 80 132; do
            LC_ALL=C.UTF-8 MANWIDTH=$width man --warnings=w -l "$page" 2>&1 >/dev/null
        done
    done
)
if [[ -n $said ]]; then
    echo "$said"
    echo 'man does not render the pages without warnings' >&2
    exit 1
fi
