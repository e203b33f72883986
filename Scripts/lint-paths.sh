#!/bin/bash
# The files and folders that the docs name are there: what was moved is not looked for in vain.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck disable=SC2016 # The backticks are Markdown's.
missing=$(grep -ohE '`(Sources|Tests|Scripts|Config|Fuzz|Benchmarks)/[A-Za-z0-9+/_.-]+`' ./*.md docs/*.md |
    tr -d '`' | sort -u | while IFS= read -r path; do [[ -e $path ]] || echo "  $path"; done)
[[ -z $missing ]] || {
    echo 'the docs name what is not there:' >&2
    echo "$missing" >&2
    exit 1
}
