#!/bin/bash
# What others may call of the interface of drivers and of the format says what it means: every package
# declaration there has a doc comment, but for initializers and descriptions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck disable=SC2016 # The dollars are awk's.
found=$(git ls-files 'Sources/VolumeAccess/*.swift' 'Sources/StoreFormat/*.swift' |
    xargs awk '
        FNR == 1 { told = 0 }
        /^ *package .*(func|var|let|struct|class|enum|protocol|typealias) / &&
            !/^ *package import / && !/ var description:/ && !told {
            printf "  %s:%d:%s\n", FILENAME, FNR, $0
        }
        # An attribute may stand between the two.
        !/^ *@/ { told = /^ *\/\/\// }
    ')
[[ -z $found ]] || {
    echo 'without a doc comment:' >&2
    echo "$found" >&2
    exit 1
}
