#!/bin/bash
# The page: its reckoning under node, where there is one, and all of it in Chromium against the daemon.
# Usage: Tests/Page/run.sh [--pictures FOLDER] [BINARIES [WORD...]]     docs/page.md tells of it
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

options=()
if [[ ${1:-} == --pictures ]]; then
    mkdir -p "$2"
    options=(--pictures "$2")
    shift 2
fi
binaries=${1:-$root/.build/release}
shift || true

work=$(mktemp -d "${TMPDIR:-/tmp}/snapmgr-page.XXXXXX")
trap 'rm -rf "$work"' EXIT

if command -v node >/dev/null; then
    cp "$root"/Sources/Web/Page/*.js "$here/logic.js" "$here/node.test.mjs" "$work"
    echo '{"type": "module"}' >"$work/package.json"
    SNAPMGR_PAGE=$work node --test "$work/node.test.mjs" >"$work/node.log" ||
        { cat "$work/node.log" && exit 1; }
    grep '^# pass' "$work/node.log"
fi

# axe-core comes with a package of Python's; without it the checks of accessibility are skipped, and
# it is said that they were.
axe=$root/.build/axe-core-4.12.1.js
if [[ ! -s $axe ]] && timeout 20 python3 -m pip download --quiet --disable-pip-version-check --no-deps \
    --dest "$work" axe-playwright-python==0.1.8 >"$work/pip.log" 2>&1; then
    mkdir -p "$root/.build"
    python3 -m zipfile --extract "$work"/axe_playwright_python-*.whl "$work/axe"
    cp "$work/axe/axe_playwright_python/axe.min.js" "$axe"
fi
SNAPMGR_AXE=$axe python3 "$here/run.py" "${options[@]}" "$binaries" "$@"
