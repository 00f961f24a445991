#!/bin/sh
# Starts PgBouncer in transaction mode before the PostgreSQL of PGHOST, for its user loans, whose
# password is PGPASSWORD. It writes down what it needs in a folder that only it can read.
set -eu

umask 077
folder=${PGBOUNCER_FOLDER:-/tmp/pgbouncer}
mkdir -p "$folder"
# In its file a quotation mark is written twice.
printf '"loans" "%s"\n' "$(printf %s "$PGPASSWORD" | sed 's/"/""/g')" > "$folder/users"
# What it was started with, for a release to compare.
cp "$0" "$folder/started"
# The service's limits, by its defaults: reads outside a transaction have none of its own there.
limits="SET statement_timeout = ${DATABASE_STATEMENT_TIMEOUT_MS:-10000}; SET lock_timeout = ${DATABASE_LOCK_TIMEOUT_MS:-3000}"
cat > "$folder/pgbouncer.ini" <<INI
[databases]
loans = host=${PGHOST:-postgres} port=${PGPORT:-5432} dbname=loans connect_query='$limits; SET random_page_cost = 1.1'

[pgbouncer]
listen_addr = ${LISTEN:-0.0.0.0}
listen_port = ${PORT:-6432}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $folder/users
pool_mode = transaction
default_pool_size = ${PGBOUNCER_POOL_SIZE:-20}
max_client_conn = 1000
max_prepared_statements = 0
query_wait_timeout = 10
server_connect_timeout = 3
server_login_retry = 1
tcp_keepidle = 30
tcp_keepintvl = 10
tcp_keepcnt = 3
INI
# exec, so that it is process 1 and signals reach it.
exec pgbouncer "$folder/pgbouncer.ini"
