#!/bin/sh
# Starts Prometheus with the arguments given, and METRICS_TOKEN in a file that only it can read:
# compose would copy a secret into the container, which is read-only.
set -eu

: "${METRICS_TOKEN:?set METRICS_TOKEN in .env}"
(umask 077 && printf %s "$METRICS_TOKEN" > "${TOKEN_FILE:-/tmp/metrics_token}")
unset METRICS_TOKEN
# exec, so that it is process 1 and signals reach it.
exec prometheus "$@"
