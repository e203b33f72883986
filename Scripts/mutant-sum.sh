#!/bin/bash
# The sum of what a mutant changes: the same when its patch was made anew because lines around have
# changed, another one when it is another mutant.
# Usage: Scripts/mutant-sum.sh NAME
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
sed -n '/^--- /,$p' "Tests/Mutants/$1.patch" | grep -E '^([-+]|\+\+\+ b/)' |
    grep -v '^--- ' | sha256sum | cut -c 1-12
