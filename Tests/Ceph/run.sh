#!/bin/bash
# The driver of images in a Ceph cluster, on a real one of one node: the conformance suite, then the built program,
# with Ceph's own tools as judges. Said and skipped where Ceph's packages are not to be had.
# Usage: Tests/Ceph/run.sh [CASE...]     cases of suite.py; all, and conformance, by default
# SNAPMGR_CEPH_OPERATIONS makes the random history longer, SNAPMGR_SEED replays one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder=$(mktemp -d "${TMPDIR:-/tmp}/snapmgr-ceph-XXXXXX")
finish() {
    Tests/Ceph/cluster.sh stop "$folder/cluster" || true
    rm -rf "$folder"
}
trap finish EXIT
status=0
Tests/Ceph/cluster.sh start "$folder/cluster" 4 || status=$?
if ((status == 77)); then exit 0; fi
((status == 0)) || exit "$status"

if (($# == 0)); then
    SNAPMGR_CEPH_CONF=$folder/cluster/ceph.conf .build/release/snapmgrPackageTests.xctest \
        --testing-library swift-testing --filter ClusterConformanceTests
fi
Tests/Ceph/suite.py "$folder/cluster" "$@"
