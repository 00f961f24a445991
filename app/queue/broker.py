"""Celery as both sides of the broker speak it: one queue in Redis, JSON, and no results."""

import ssl
from typing import TYPE_CHECKING
from uuid import UUID

from redis import RedisError

from app.config import Settings

if TYPE_CHECKING:
    from celery import Celery

IMPORT_TASK = "import_customers"
# A message whose worker has not acknowledged it for so long is given to another. One that is still
# at its import then loses nothing: the other finds it claimed.
VISIBILITY_SECONDS = 900
CONNECT_SECONDS, ANSWER_SECONDS = 1.0, 2.0
TRANSPORT = {
    "visibility_timeout": VISIBILITY_SECONDS,
    "socket_connect_timeout": CONNECT_SECONDS,
    "socket_timeout": ANSWER_SECONDS,
    "max_retries": 0,
}
# What waited longer has been handed over again; longer than clocks differ, by which this is judged.
EXPIRE_SECONDS = 3_600.0


class Away(Exception):
    """The broker did not take a message, or nobody knows whether it did."""


def celery(settings: Settings) -> "Celery":
    """Celery, configured; nothing is connected yet."""
    from celery import Celery  # only by who speaks it: a tenth of a second, and 6 MB

    made = Celery("loans", set_as_current=False)
    made.conf.update(
        # As one broker_url, it would give way to what Celery reads in the environment by itself.
        broker_read_url=settings.broker_url,
        broker_write_url=settings.broker_url,
        task_default_queue="loans",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_publish_retry=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=TRANSPORT,
    )
    if settings.broker_url.startswith("rediss:"):
        # Left alone, Celery takes whoever answers for Redis.
        made.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    return made


def send(celery: "Celery", import_id: UUID) -> None:
    """Have a worker go on with an import. Raises Away, within CONNECT_ or ANSWER_SECONDS."""
    from kombu.exceptions import KombuError

    try:
        celery.send_task(IMPORT_TASK, [str(import_id)], expires=EXPIRE_SECONDS)
    except (KombuError, RedisError, OSError) as error:
        raise Away(f"{type(error).__name__}: {error}") from error
