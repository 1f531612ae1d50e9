#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the packages of the given lists that are missing; does nothing if all are there.
# Needs root or sudo only when something is missing.
#
#     scripts/install-packages.sh scripts/packages-build.txt
set -euo pipefail

if [ $# -eq 0 ]; then
    echo "usage: install-packages.sh LIST..." >&2
    exit 2
fi

is_there() {
    local package=$1 command=$2
    if [ -n "$command" ] && command -v "$command" >/dev/null; then
        return 0
    fi
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ]
}

if ! command -v apt-get >/dev/null; then
    echo "install-packages: this is not Debian; make sure that you have the like of: $*" >&2
    exit 0
fi

missing=()
while read -r package command; do
    is_there "$package" "$command" || missing+=("$package")
done < <(sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$@")
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install-packages: not root and no sudo; as root run:" >&2
        echo "    apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } \
    </dev/null >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "install-packages: could not install ${missing[*]}" >&2
    exit 1
fi
