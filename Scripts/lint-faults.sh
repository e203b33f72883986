#!/bin/bash
# Whether each fault of docs/faults.md has its tests and mutants: every quoted test is there and carries the
# letter, every mutant is there and says in its `Fault:` that it is the letter's, and none with a letter is left out.
# And each fault has a mutant that was killed when it was last run, as it is now: Tests/Mutants/RESULTS.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
table=docs/faults.md
results=Tests/Mutants/RESULTS
# How many faults each kind has; those of daily use are told by their lines.
kinds=(C:3 H:6 M:8 L:7 R:18 DH:8 DM:9 DL:7)
daily=(1 2 3 4 5 9 10 11 25)
letter='([A-Z]+[0-9]+|daily [0-9]+)'

status=0
complain() {
    echo "$table: $*" >&2
    status=1
}

# "LETTERS: TITLE" of all tests, and "NAME LETTERS" of all mutants.
titles=$(grep -rhoE --include='*.swift' "\"$letter(, $letter)*: [^\"]*" Tests | sed 's/^"//')
faults=$(grep -HoE "^Fault: $letter(, $letter)*," Tests/Mutants/*.patch |
    sed -E 's|^Tests/Mutants/(.*)\.patch:Fault: (.*),$|\1 \2|')

has_letter() { [[ ", $1," == *", $2,"* ]]; }

has_test() {
    local line
    while IFS= read -r line; do
        if has_letter "${line%%: *}" "$1" && [[ ${line#*: } == "$2"* ]]; then return; fi
    done < <(grep -F ": $2" <<<"$titles" || true)
    return 1
}

# Whether a mutant was killed, and is still the one that was.
was_killed() {
    local sum
    sum=$(awk -v name="$1" '$1 == name && $6 == "killed" { print $5 }' "$results")
    [[ -n $sum && $sum == "$(Scripts/mutant-sum.sh "$1")" ]]
}

rows=()
named=
while IFS='|' read -r _ name _ tests mutants _; do
    name=${name# } name=${name% }
    rows+=("$name")
    count=0
    while IFS= read -r title; do
        count=$((count + 1))
        has_test "$name" "$title" || complain "no test of $name is called \"$title\""
    done < <(grep -oE '"[^"]*"' <<<"$tests" | tr -d '"')
    ((count > 0)) || complain "$name has no test"
    count=0 killed=
    while IFS= read -r mutant; do
        count=$((count + 1))
        if [[ -z $killed ]] && was_killed "$mutant"; then killed=1; fi
        named+=" $mutant:$name "
        has_letter "$(sed -n "s/^$mutant //p" <<<"$faults")" "$name" ||
            complain "Tests/Mutants/$mutant.patch does not say that its fault is $name"
    done < <(tr -dc '[:alnum:] \n-' <<<"$mutants" | xargs -n 1)
    ((count > 0)) || complain "$name has no mutant"
    [[ -n $killed ]] ||
        complain "of no mutant of $name does $results say that it was killed: Scripts/mutants.sh NAME"
done < <(grep -E "^\| $letter \|" "$table")

expected=$(
    for kind in "${kinds[@]}"; do
        for ((number = 1; number <= ${kind#*:}; number++)); do echo "${kind%:*}$number"; done
    done
    printf 'daily %s\n' "${daily[@]}"
)
[[ $(printf '%s\n' "${rows[@]}") == "$expected" ]] || {
    complain 'these rows are missing, or not in their order:'
    diff <(echo "$expected") <(printf '%s\n' "${rows[@]}") >&2 || true
}
while read -r mutant letters; do
    while IFS= read -r name; do
        # What came to a fault's kind later has letters of other faults, too.
        [[ $'\n'$expected$'\n' == *$'\n'$name$'\n'* ]] || continue
        [[ $named == *" $mutant:$name "* ]] || complain "$name does not name the mutant $mutant"
    done <<<"${letters//, /$'\n'}"
done <<<"$faults"
while read -r mutant _; do
    [[ -f Tests/Mutants/$mutant.patch ]] || complain "$results has $mutant, which is no mutant"
done < <(grep -v '^#' "$results")
exit $status
