# Another base can be given, as long as it has CPython 3.11 with venv and a Debian userland.
# The tag follows 3.11's patch releases, which are security fixes only.
ARG BASE_IMAGE=python:3.11-slim-bookworm


FROM ${BASE_IMAGE} AS build

WORKDIR /srv/loans

# Requirements first: a change of code alone reuses this layer.
# Wheels only: what would need a compiler fails here instead of bringing one in.
# openapi-ui-bundles is published as source alone; it is static files and compiles nothing.
COPY requirements.lock ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --require-hashes --only-binary=:all: \
        --no-binary=openapi-ui-bundles -r requirements.lock \
    && /opt/venv/bin/python -m pip uninstall --yes pip setuptools

# Compiled now, because at run time the file system is read-only.
COPY alembic.ini celery_app.py fair_worker.py gunicorn.conf.py wsgi.py ./
COPY deploy/alive.py deploy/entrypoint.sh deploy/ready.py deploy/
COPY migrations migrations
COPY app app
RUN /opt/venv/bin/python -m compileall -q . && chmod 0755 deploy/entrypoint.sh


FROM ${BASE_IMAGE} AS service

# A fixed number, so that volumes and cluster policies can name it.
ARG UID=10001

# The base brings pip; a running service has no use for an installer.
RUN python -m pip uninstall --yes pip setuptools wheel \
    && rm -rf "$(python -c 'import ensurepip; print(ensurepip.__path__[0])')" \
    && groupadd --system --gid "${UID}" loans \
    && useradd --system --uid "${UID}" --gid loans --no-create-home --home-dir /tmp \
        --shell /usr/sbin/nologin loans

COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/loans /srv/loans

# APP_ENV: an image started with nothing set refuses to run on unsafe values.
# HOME: the only writable place, which a read-only container mounts as tmpfs.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONFAULTHANDLER=1 \
    HOME=/tmp \
    APP_ENV=production \
    HOST=0.0.0.0 \
    PORT=8000

ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="loan-service" \
      org.opencontainers.image.description="A lender's backend: customers, loan applications, decisions and the portfolio." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

WORKDIR /srv/loans
USER ${UID}:${UID}
EXPOSE 8000
STOPSIGNAL SIGTERM

# Readiness rather than liveness: nothing restarts a container for being unhealthy,
# but a release and `docker compose up --wait` go by it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "deploy/ready.py"]

ENTRYPOINT ["deploy/entrypoint.sh"]
CMD ["python", "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
