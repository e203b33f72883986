#!/bin/bash
# The measurements of volumes under device-mapper, in a guest of the tests (see Tests/Guest): the tables
# of docs/benchmarks.md. Needs some 7 GiB in SNAPMGR_BENCH_DIR (or /var/tmp).
# Usage: Benchmarks/guest.sh [chain|areas|reverts|merges|windows]...     all of them by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
Tests/Guest/setup.sh
export TMPDIR=${SNAPMGR_BENCH_DIR:-/var/tmp}
exec Tests/Guest/run.sh -t 2400 -e "SNAPMGR_BENCH_ROUNDS=${SNAPMGR_BENCH_ROUNDS:-5}" -m 1G -M 'dm-mod dm-snapshot loop' \
    -d 512M -d 4G -d 2G -d 100G -- "$PWD/.build/release/snapmgr-guest-tests" bench "$@"
