#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'USAGE'
usage: scripts/schema-snapshots.sh [BUILD]

After a change of the migrations: writes src/store/schema.sql and src/store/schema_postgresql.sql anew, from new
databases of both engines. BUILD is a build folder with tests (default: build-asan); ./test makes it.
USAGE
}

case ${1:-} in
-h | --help) usage && exit 0 ;;
esac
build=${1:-build-asan}
folder=$(mktemp -d /tmp/ingot-postgres-XXXXXX)
trap 'tests/support/postgres.sh stop "$folder"' EXIT
ninja -C "$build" src/store/store_schema_test
export INGOT_WRITE_SNAPSHOT=1
"$build/src/store/store_schema_test"
INGOT_TEST_POSTGRES=$(tests/support/postgres.sh start "$folder") "$build/src/store/store_schema_test"
git --no-pager diff --stat -- src/store/schema.sql src/store/schema_postgresql.sql
