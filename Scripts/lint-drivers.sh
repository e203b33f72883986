#!/bin/bash
# Which driver a volume has is asked nowhere: what it can do is. The names stand in the drivers' own
# modules, and the one that is meant when nobody chooses in CreateRequest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
asked=$(grep -rnE 'driver [!=]= (\.|")|case \.(dm|image)\b|: DriverName = "|DriverName\("' Sources |
    grep -vE '^Sources/(ImageDriver|DeviceDriver|RBDDriver)/[^:]*:[0-9]+: *(package )?static let driverName' |
    grep -vE '^Sources/Manager/[^:]*:[0-9]+: *package static let defaultDriver' || true)
[[ -z $asked ]] || {
    echo 'ask what a driver can do (VolumeDriver), not which one it is:' >&2
    echo "$asked" >&2
    exit 1
}
