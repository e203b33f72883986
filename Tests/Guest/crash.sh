#!/bin/bash
# Crashes guests in the middle of what they do with a volume, one after the other on the same disks,
# and verifies after each reboot that nothing is lost.
# Usage: Tests/Guest/crash.sh
# $SNAPMGR_GUEST_TESTS: the program; default .build/release/snapmgr-guest-tests
# $SNAPMGR_GUEST_CRASHES: how often; default 24. $SNAPMGR_SEED: repeats a run
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tests=${SNAPMGR_GUEST_TESTS:-$here/../../.build/release/snapmgr-guest-tests}
if [[ ! -x $tests ]]; then
    echo 'Build first: Scripts/test.sh build'
    exit 1
fi >&2
"$here/setup.sh"
exec "$tests" crashes "$here/run.sh"
