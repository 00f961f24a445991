#!/bin/sh
# Starts a streaming replica of the PostgreSQL of PGHOST, whose user loans has the password
# PGPASSWORD; the first time it copies that one's data. To copy anew, remove the data and restart.
set -eu

umask 077
data=${PGDATA:?where the data lie}
if [ ! -s "$data/PG_VERSION" ]; then
    # Copied beside and moved over, so that half a copy is never started.
    rm -rf "$data.new" "$data"
    mkdir -p "$(dirname "$data")"
    pg_basebackup --pgdata="$data.new" --host="${PGHOST:-postgres}" --port="${PGPORT:-5432}" \
        --username=loans --checkpoint=fast --write-recovery-conf
    mv "$data.new" "$data"
fi
# What the primary must not clean away from under a report, it is told of.
exec postgres -D "$data" -c hot_standby_feedback=on \
    -c statement_timeout="${DATABASE_STATEMENT_TIMEOUT_MS:-10000}" \
    -c random_page_cost=1.1 "$@"
