"""Redis as one process sees it: asked while it answers, and left alone for a moment when not."""

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import TypeVar

from redis import Redis, RedisError, ResponseError
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from app.cache.seal import Unsealed, opened
from app.config import Settings

REST_SECONDS = 1.0
WRONG_TYPE = "WRONGTYPE"  # of what lies under a key, not of Redis itself

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class Away(Exception):
    """Redis did not answer, or not with what was kept, or is not being asked at the moment."""


class Trouble:
    """One thing that is amiss with Redis: told once when it begins, and once when it is over."""

    def __init__(self, beginning: str, end: str) -> None:
        self._beginning, self._end = beginning, end
        self._lock = Lock()
        self._began_at: float | None = None
        self._last_at = self._next_try_at = 0.0

    @property
    def is_resting(self) -> bool:
        """Whether it has just been seen, and trying again is too early."""
        return self._began_at is not None and monotonic() < self._next_try_at

    def may_be_tried(self) -> bool:
        """True where all is well, and otherwise for one caller in REST_SECONDS."""
        if self._began_at is None:
            return True
        with self._lock:
            is_time = monotonic() >= self._next_try_at
            if is_time:
                self._next_try_at = monotonic() + REST_SECONDS
            return is_time

    def is_seen(self, cause: Exception) -> None:
        with self._lock:
            self._last_at = monotonic()
            self._next_try_at = self._last_at + REST_SECONDS
            is_news = self._began_at is None
            if is_news:
                self._began_at = self._last_at
        if is_news:
            log.warning(self._beginning, extra={"cause": f"{type(cause).__name__}: {cause}"})

    def is_not_seen(self, asked_at: float) -> None:
        """Over, if what went well was asked a while after what went wrong: they may alternate."""
        if self._began_at is None:
            return
        with self._lock:
            if self._began_at is None or asked_at < self._last_at + REST_SECONDS:
                return
            seconds, self._began_at = monotonic() - self._began_at, None
        log.warning(self._end, extra={"seconds": round(seconds, 1)})


class Server:
    """Redis, and how it has been lately. Safe to use from many threads.

    That it is away is one trouble, for all; that it refuses to read or to write are others, so
    that a full one still answers what it holds; and that what it holds is not ours is one more.
    """

    def __init__(self, settings: Settings) -> None:
        self.client: Redis = Redis.from_url(
            settings.redis_url,
            socket_timeout=settings.redis_timeout,
            socket_connect_timeout=settings.redis_timeout,
            retry=Retry(NoBackoff(), 0),
            # With these the client would use a connection on which an old answer is still to come.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            driver_info=None,
        )
        self.is_on = settings.cache_enabled
        self._absence = Trouble("Redis is away", "Redis is back")
        self._mute = Trouble("Redis refuses reads", "Redis takes reads again")
        self._full = Trouble("Redis refuses writes", "Redis takes writes again")
        self._foreign = Trouble("Redis answers what was not kept", "Redis answers what was kept")

    @property
    def is_at_hand(self) -> bool:
        """Whether asking it is worth preparing for."""
        return self.is_on and not self._absence.is_resting

    def read(self, question: Callable[[Redis], Answer]) -> Answer:
        """Its answer. Raises Away."""
        return self._asked(question, self._mute, proves_well=True)

    def write(self, deed: Callable[[Redis], Answer], *, proves_well: bool = True) -> Answer:
        """Its answer. Raises Away. What is small may fit where the rest does not: no proof."""
        return self._asked(deed, self._full, proves_well=proves_well)

    def opened(self, name: str, kept: bytes) -> bytes:
        """The value in what it answered. Raises Away where that was never kept under this name."""
        asked_at = monotonic()
        try:
            value = opened(name, kept)
        except Unsealed as error:
            self._foreign.is_seen(error)
            raise Away from error
        self._foreign.is_not_seen(asked_at)
        return value

    def answers(self) -> bool:
        """Whether it answers within its time-out now; it is asked even while it is left alone."""
        try:
            return bool(self._reached(lambda client: client.ping()))
        except RedisError:
            return False

    def close(self) -> None:
        self.client.close()

    def _asked(
        self, command: Callable[[Redis], Answer], refusal: Trouble, *, proves_well: bool
    ) -> Answer:
        if not (self.is_on and self._absence.may_be_tried()):
            raise Away
        asked_at = monotonic()
        try:
            answer = self._reached(command)
        except ResponseError as error:
            (self._foreign if WRONG_TYPE in str(error) else refusal).is_seen(error)
            raise Away from error
        except RedisError as error:
            raise Away from error
        if proves_well:
            refusal.is_not_seen(asked_at)
        return answer

    def _reached(self, command: Callable[[Redis], Answer]) -> Answer:
        """Its answer, noting whether there was one: a refusal is."""
        asked_at = monotonic()
        try:
            answer = command(self.client)
        except ResponseError:
            self._absence.is_not_seen(asked_at)
            raise
        except RedisError as error:
            self._absence.is_seen(error)
            raise
        except (OSError, TypeError, ValueError) as error:  # from a URL or a server that is none
            self._absence.is_seen(error)
            raise RedisError(repr(error)) from error
        self._absence.is_not_seen(asked_at)
        return answer
