#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A PostgreSQL of its own for the tests: own directory, own port on loopback, never the system's.
#
#   postgres.sh start DIR   makes and starts it; prints the URL for INGOT_TEST_POSTGRES
#   postgres.sh stop DIR    stops it and removes DIR
#   postgres.sh crash DIR   ends it at once, as a loss of power would
#   postgres.sh resume DIR  starts it again, where it was
#
# It runs as an unprivileged user, as PostgreSQL wants: ours, or `postgres` if we are root.
set -euo pipefail

bin=$(find /usr/lib/postgresql -maxdepth 3 -name initdb -printf '%h\n' | sort -V | tail -n 1)
user=$(id -un)
[ "$(id -u)" -ne 0 ] || user=postgres

as_user() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && setpriv --reuid="$user" --regid="$user" --clear-groups "$@")
    else
        "$@"
    fi
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# No fsync: the tests kill our server, not this one. The database's own collation is one that sorts otherwise than
# by bytes, if there is one, so that a text compared without COLLATE "C" is noticed.
start() { # DIR
    local dir=$1 port locale=C.UTF-8
    port=$(free_port)
    mkdir -p "$dir"
    [ "$(id -u)" -ne 0 ] || chown "$user" "$dir"
    as_user "$bin/initdb" -D "$dir/data" -U ingot -A trust -E UTF8 --locale=$locale --no-sync >"$dir.log" 2>&1
    as_user tee -a "$dir/data/postgresql.conf" >/dev/null <<END
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = ${PG_FSYNC:-off}
max_connections = 300
autovacuum_naptime = 5s
shared_preload_libraries = '${PG_PRELOAD:-}'
END
    [ -z "${PG_STRICT:-}" ] || make_strict "$dir/data"
    resume "$dir"
    echo "postgresql://ingot@127.0.0.1:$port/postgres"
}

# PG_STRICT names a folder with server.crt and server.key: then it has TLS, and who is not the administrator must come
# with both TLS and a password.
make_strict() { # DATA
    cp "$PG_STRICT/server.crt" "$PG_STRICT/server.key" "$1"
    chmod 600 "$1/server.key"
    [ "$(id -u)" -ne 0 ] || chown "$user" "$1/server.crt" "$1/server.key"
    as_user tee -a "$1/postgresql.conf" <<<"ssl = on" >/dev/null
    printf '%s\n' 'host all ingot 127.0.0.1/32 trust' 'hostssl all all 127.0.0.1/32 scram-sha-256' |
        as_user tee "$1/pg_hba.conf" >/dev/null
}

resume() { # DIR
    as_user "$bin/pg_ctl" -D "$1/data" -w -l "$1/log" start >>"$1.log" 2>&1
}

crash() { # DIR
    as_user "$bin/pg_ctl" -D "$1/data" -m immediate stop >/dev/null
}

stop() { # DIR
    crash "$1" || true # it may have been stopped before
    rm -rf "$1" "$1.log"
}

"$@"
