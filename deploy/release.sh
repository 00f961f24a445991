#!/usr/bin/env bash
# Release an image on this host: deploy/release.sh IMAGE
#
# Pulls it, migrates, restarts the service and its workers on it, waits until /ping answers 200.
# If it does not within READY_TIMEOUT seconds (default 90), the former image is put back
# and the exit code is 1. Needs docker with compose, and .env beside docker-compose.yml.
#
# Migrations are not undone: each must leave a schema that the release before it can work
# with, so a column is dropped one release after the code stopped using it.
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

start() { on_image "$1" up --detach --no-build --no-deps web worker beat; }

wait_until_ready() {
    local deadline=$((SECONDS + ready_timeout))
    until on_image "$1" exec -T web python deploy/ready.py >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 1
    done
}

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
on_image "$image" run --rm -T migrate || { say "migration failed; the service was not touched"; exit 1; }

say "restarting"
if start "$image" && wait_until_ready "$image"; then
    remember "$image"
    say "ready on $image"
    exit 0
fi

say "not ready after ${ready_timeout} s; its last words:"
on_image "$image" logs --no-color --tail 50 web worker beat >&2 || true
if [ "$have_former" = no ]; then
    say "no former release to go back to"
    exit 1
fi
if start "$former" && wait_until_ready "$former"; then
    say "back on the former image"
else
    say "THE FORMER IMAGE IS NOT READY EITHER"
fi
exit 1
