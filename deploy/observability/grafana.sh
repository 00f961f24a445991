#!/bin/sh
# Starts Grafana, whose admin has the password GRAFANA_PASSWORD; by itself, and without one, it would
# be `admin`.
set -eu

export GF_SECURITY_ADMIN_PASSWORD="${GRAFANA_PASSWORD:?set GRAFANA_PASSWORD in .env}"
# exec, so that it is process 1 and signals reach it.
exec "${GRAFANA:-/run.sh}" "$@"
