#!/bin/bash
# What people may do next is a value below the faces (Remedy), and they alone have the words of a
# command line for it. A lock's purpose, which says who holds it, is not a remedy.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
faces='^Sources/(snapmgr|ShellWords)/'
verbs=$(cat Sources/snapmgr/Commands/*/*.swift Sources/snapmgr/Commands/*.swift | tr '\n' ' ' |
    grep -oE '\.(verb|group)\( *"[a-z]+"' | grep -oE '[a-z]+"$' | tr -d '"' | sort -u | paste -sd '|')
[[ $verbs == *revert* && $verbs == *volume* ]] || {
    echo 'the verbs of the command line are not found' >&2
    exit 1
}
# In literals: quoted, with a verb, or cut off behind the program's name.
found=$(grep -rnE --include='*.swift' "\"[^\"]*([\`']snapmgr\\b|\\bsnapmgr ($verbs)\\b|[\`']snapmgr \")" Sources |
    grep -vE "$faces" | grep -vE '^[^:]*:[0-9]+: *//|purpose: "snapmgr ' || true)
[[ -z $found ]] || {
    echo 'name a remedy (Sources/SnapshotModel/Advice), not a command line:' >&2
    echo "$found" >&2
    exit 1
}
