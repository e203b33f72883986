#!/bin/bash
# The measurements of sequential first writes and of merges where the filesystem shares extents: an
# XFS in a file, made and taken away again. As root. Needs some 16 GiB in SNAPMGR_BENCH_DIR (or
# /var/tmp).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec Scripts/reflink.sh --written 16384 bash -c '
    SNAPMGR_BENCH_DIR=$SNAPMGR_REFLINK_FOLDER exec .build/release/snapmgr-bench sequential merge'
