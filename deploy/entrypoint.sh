#!/bin/sh
# Starts the container's command, after the migrations when RUN_MIGRATIONS=1.
# With several replicas leave it unset and run the migrations once, as docker-compose.yml does.
set -eu

if [ "${RUN_MIGRATIONS:-0}" = "1" ]; then
    python -m alembic upgrade head
fi

# exec, so that the server is process 1 and SIGTERM reaches it.
exec "$@"
