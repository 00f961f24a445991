#!/usr/bin/env bash
# Release an image on this host: deploy/release.sh IMAGE
#
# Pulls it, migrates, restarts the service and its workers on it, waits until /ping of every web
# process answers 200, and has nginx take its configuration. If that does not come to pass within
# READY_TIMEOUT seconds (default 90) of the restart, the former image is put back and the exit code
# is 1. Needs docker with compose, and .env beside docker-compose.yml.
#
# PgBouncer is restarted where its own files or settings changed; nginx goes on meanwhile wherever it
# can. PostgreSQL and Redis are started where they are not, and else left alone: a change of theirs
# is for `docker compose up`, at an hour of your choice.
#
# The files it came with stay, and migrations are not undone: each must leave a schema that the
# release before it can work with, so a column is dropped one release after the code stopped using
# it.
set -euo pipefail

image=${1:?usage: deploy/release.sh IMAGE}
ready_timeout=${READY_TIMEOUT:-90}
former=loan-service:former

cd "$(dirname "$0")/.."

say() { printf '%s %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }

# The shell's LOAN_IMAGE goes before the one in .env, which changes only on success.
on_image() { LOAN_IMAGE=$1 docker compose "${@:2}"; }

# By id and under a tag of its own: the name it was started with may be a moving tag,
# which the pull has turned to the new image by the time it is needed.
keep_former() {
    local container
    container=$(on_image "$image" ps --quiet web | head -n 1)
    [ -n "$container" ] || return 1
    docker tag "$(docker inspect --format '{{.Image}}' "$container")" "$former"
}

# What a container was started by lies in it. Compose sees what changed in its own file, and not what
# did in a file that it mounts.
up_as_written() {
    local options=()
    on_image "$1" exec -T "$2" cat "/tmp/$2/started" 2>/dev/null | cmp --silent - "$3" ||
        options=(--force-recreate)
    on_image "$1" up --detach --no-build --no-deps "${options[@]}" "$2"
}

start() {
    up_as_written "$1" pgbouncer deploy/pgbouncer.sh &&
        on_image "$1" up --detach --no-build --no-deps web worker beat
}

within_time() {
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 1
    done
}

is_ready() {
    local containers container
    containers=$(on_image "$1" ps --quiet web) && [ -n "$containers" ] || return 1
    for container in $containers; do
        docker exec "$container" python deploy/ready.py || return 1
    done
}

start_nginx() { up_as_written "$1" nginx deploy/nginx/nginx.sh && within_time runs_nginx "$1"; }

runs_nginx() { on_image "$1" exec -T nginx test -s /tmp/nginx/pid; }

nginx_is_to() { on_image "$1" exec -T nginx nginx -c /etc/nginx/loans/nginx.conf "${@:2}"; }

# Without a pause. What nginx cannot read it names, and goes on with what it has.
reload() { nginx_is_to "$1" -s reload; }

leads_to_web() { on_image "$1" exec -T nginx curl --fail --silent http://127.0.0.1:8080/ping; }

# Written beside and moved over, so that a full disk cannot leave half an .env.
remember() {
    cp -p .env .env.next
    { grep -v '^LOAN_IMAGE=' .env || true; printf 'LOAN_IMAGE=%s\n' "$1"; } > .env.next
    mv .env.next .env
}

exec 9< .
flock --nonblock 9 || { say "another release is running"; exit 1; }
[ -f .env ] || { say "no .env beside docker-compose.yml"; exit 1; }

say "pulling $image"
docker pull --quiet "$image"
have_former=no
if keep_former; then have_former=yes; fi

say "migrating"
on_image "$image" up --detach --no-build --no-recreate --wait postgres redis ||
    { say "PostgreSQL or Redis is not up; the service was not touched"; exit 1; }
on_image "$image" run --rm -T --no-deps migrate || { say "migration failed; the service was not touched"; exit 1; }

say "restarting"
deadline=$((SECONDS + ready_timeout))
if start "$image" && within_time is_ready "$image" && start_nginx "$image" &&
    reload "$image" && within_time leads_to_web "$image"; then
    remember "$image"
    say "ready on $image"
    exit 0
fi

say "not ready; its last words:"
on_image "$image" logs --no-color --tail 50 nginx web worker beat pgbouncer >&2 || true
if [ "$have_former" = no ]; then
    say "no former release to go back to"
    exit 1
fi
deadline=$((SECONDS + ready_timeout))
if start "$former" && within_time is_ready "$former" && start_nginx "$former" &&
    within_time leads_to_web "$former"; then
    say "back on the former image"
    nginx_is_to "$former" -t || say "NGINX GOES ON, AND CANNOT BE STARTED ANEW WITH THESE FILES"
else
    say "THE FORMER IMAGE IS NOT READY EITHER"
fi
exit 1
