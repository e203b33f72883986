#!/bin/bash
# The walks of docs/architecture.md name types that are there, and at most 20 each, and the page stays one that is
# read at once: it is for readers who come anew. What each part does stands in docs/parts.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
maximum=20
lines=330
types=$(grep -rhoE '^ *((package|private|fileprivate|final|indirect) )*(struct|class|enum|protocol) [A-Z][A-Za-z]+' \
    --include='*.swift' Sources | awk '{ print $NF }' | sort -u)
walks=$(awk '/^## /{ walk = "" } /^## Four walks/{ on = 1; next } /^## /{ on = 0 }
    on && /^### /{ walk = substr($0, 5); next } on && walk != "" && /^    / { print walk "\t" $0 }' \
    docs/architecture.md)
[[ -n $walks ]] || { echo 'docs/architecture.md has no walks' >&2; exit 1; }
status=0
if (($(wc -l <docs/architecture.md) > lines)); then
    echo "docs/architecture.md has more than $lines lines: move what is of one part to docs/parts.md" >&2
    status=1
fi
while read -r walk; do
    # A word with two capitals in it, or one of those that have only one.
    names=$(grep -F "$walk"$'\t' <<<"$walks" | cut -f 2 |
        grep -oE '\b[A-Z][a-z]+([A-Z][A-Za-z]*)+\b|\b(Gate|Store|Barrier|Reconciler|Schedule|ImageUpkeep)\b' | sort -u)
    missing=$(comm -23 <(echo "$names") <(echo "$types"))
    if [[ -n $missing ]]; then
        echo "docs/architecture.md, $walk: there is no type ${missing//$'\n'/, }" >&2
        status=1
    fi
    count=$(wc -l <<<"$names")
    if ((count > maximum)); then
        echo "docs/architecture.md, $walk: $count names, more than $maximum" >&2
        status=1
    fi
done < <(cut -f 1 <<<"$walks" | sort -u)
exit "$status"
