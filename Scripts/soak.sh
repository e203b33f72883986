#!/bin/bash
# The randomized suites, SNAPMGR_SOAK times as long as `make test` runs them (default 10). Every
# failure prints the seed that replays it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
factor=${SNAPMGR_SOAK:-10}
export SNAPMGR_MODEL_OPERATIONS=${SNAPMGR_MODEL_OPERATIONS:-$((20000 * factor))}
export SNAPMGR_CRASH_POINTS=${SNAPMGR_CRASH_POINTS:-$((100000 * factor))}
export SNAPMGR_FAULT_POINTS=${SNAPMGR_FAULT_POINTS:-$((20000 * factor))}
export SNAPMGR_STRESS_SECONDS=${SNAPMGR_STRESS_SECONDS:-$((10 * factor))}
export SNAPMGR_COMMAND_CRASH_POINTS=${SNAPMGR_COMMAND_CRASH_POINTS:-$((4000 * factor))}
export SNAPMGR_FUZZ_SECONDS=${SNAPMGR_FUZZ_SECONDS:-$((20 * factor))}
export SNAPMGR_LOOKUP_POINTS=${SNAPMGR_LOOKUP_POINTS:-$((20000 * factor))}
SNAPMGR_VM_SETS=${SNAPMGR_VM_SETS:-$((5 * factor))} SNAPMGR_VM_REVERTS=${SNAPMGR_VM_REVERTS:-$((2 * factor))} \
    Tests/VirtualMachine/run.sh
SNAPMGR_KILL_STRIDE=${SNAPMGR_KILL_STRIDE:-1} Tests/Guest/suite.sh kill || (($? == 77))
SNAPMGR_DATABASE_SETS=${SNAPMGR_DATABASE_SETS:-$((3 * factor))} Tests/PostgreSQL/run.sh || (($? == 77))
.build/release/snapmgr-torture
.build/release/snapmgr-command-torture lookups
.build/release/snapmgr-command-torture
Packaging/test.sh .build/release
exec Fuzz/run.sh
