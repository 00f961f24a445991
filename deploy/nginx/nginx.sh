#!/bin/sh
# Starts nginx, which believes the proxies that TRUSTED_PROXIES names, separated by commas, of whom
# they ask for, beside the one on this host. Reloaded, it takes a changed nginx.conf.
set -eu

folder=${NGINX_FOLDER:-/tmp/nginx}
mkdir -p "$folder"
# What it was started with, for a release to compare.
cp "$0" "$folder/started"
: > "$folder/believed"
: > "$folder/told"
printf '%s\n' "${TRUSTED_PROXIES:-}" | tr ',' '\n' | while read -r proxy; do
    [ -n "$proxy" ] || continue
    printf 'set_real_ip_from %s;\n' "$proxy" >> "$folder/believed"
    printf '%s 1;\n' "$proxy" >> "$folder/told"
done
# exec, so that it is process 1 and signals reach it.
exec nginx -c "${NGINX_CONFIG:-/etc/nginx/loans/nginx.conf}" -g "daemon off;"
