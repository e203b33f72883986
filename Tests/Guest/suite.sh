#!/bin/bash
# Runs one suite of snapmgr-guest-tests in a guest of its own.
# Usage: Tests/Guest/suite.sh SUITE [--filter WORDS]...
# $SNAPMGR_GUEST_TESTS: the program; default .build/release/snapmgr-guest-tests
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tests=${SNAPMGR_GUEST_TESTS:-$here/../../.build/release/snapmgr-guest-tests}
if (($# == 0)); then
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
fi
if [[ ! -x $tests ]]; then
    echo 'Build first: Scripts/test.sh build' >&2
    exit 1
fi
"$here/setup.sh"
options=()
while read -r word value; do
    case $word in
        seconds) options+=(-t "$value") ;;
        memory) options+=(-m "${value}M") ;;
        modules) options+=(-M "$value") ;;
        disk) options+=(-d "${value}M") ;;
        udev) options+=(-u) ;;
    esac
done < <("$tests" machine "$1")
((${#options[@]} > 0)) || exit 2
# What makes suites longer or repeats them; see docs/testing.md.
while read -r name; do
    [[ $name == SNAPMGR_GUEST_* ]] || options+=(-e "$name=${!name}")
done < <(compgen -e SNAPMGR_)
exec "$here/run.sh" "${options[@]}" -- "$(readlink -f "$tests")" "$@"
