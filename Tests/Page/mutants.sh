#!/bin/bash
# Proves that the tests of what the page reckons notice faults: each patch of Tests/Page/Mutants puts
# one in, and the test that it names (after "Test:") must fail then, and pass without. Needs node.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/snapmgr-page.XXXXXX")
trap 'rm -rf "$work"' EXIT

passes() {
    SNAPMGR_PAGE=$work/Sources/Web/Page node --test --test-name-pattern "$1" "$work/node.test.mjs" >"$work/log" 2>&1 &&
        grep -q '^# pass [1-9]' "$work/log"
}

alive=0
for patch in "$here"/Mutants/*.patch; do
    rm -rf "${work:?}"/*
    mkdir -p "$work/Sources/Web"
    cp -r "$root/Sources/Web/Page" "$work/Sources/Web"
    cp "$here/logic.js" "$here/node.test.mjs" "$work"
    echo '{"type": "module"}' >"$work/package.json"
    test=$(sed -n 's/^Test: //p' "$patch")
    name=$(basename "$patch" .patch)
    if ! passes "$test"; then
        echo "$name: the test does not pass without it"
        alive=1
    elif ! (cd "$work" && GIT_CEILING_DIRECTORIES=$work git apply "$patch"); then
        echo "$name: the patch is stale"
        alive=1
    elif passes "$test"; then
        echo "$name: nobody notices it"
        alive=1
    else
        echo "$name: noticed"
    fi
done
exit $alive
