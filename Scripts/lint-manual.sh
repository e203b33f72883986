#!/bin/bash
# Checks the manual pages: mandoc's warnings are errors.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
shopt -s nullglob
pages=(man/*.[1-8])
((${#pages[@]} == 0)) || mandoc -T lint -W warning "${pages[@]}"
