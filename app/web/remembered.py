"""Answers remembered in Redis, as long as nothing they were made of has changed."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson
from flask import Request, Response

from app import cache
from app.cache import Namespace
from app.services import generations
from app.services.actor import Actor
from app.services.generations import Topic

BACKSTOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Cached:
    """That an answer depends on the records of a topic, on who asks and on the URL alone.

    `name` is what its look-ups are counted by.
    """

    topic: Topic
    name: str

    def answer(
        self, asked: Request, actor: Actor, form: str, respond: Callable[[], Response]
    ) -> Response:
        """The remembered answer, or what `respond` makes, which is remembered if it is a 200.

        `form` is what of the request's headers it depends on. The generation is read before
        anything the answer is made of.
        """
        namespace = Namespace(self.name, BACKSTOP_SECONDS)
        generation = generations.current(self.topic) if cache.is_at_hand(namespace) else None
        if generation is None:
            return respond()
        made: list[Response] = []

        def make() -> bytes | None:
            made.append(respond())
            return _packed(made[0]) if made[0].status_code == 200 else None

        key = namespace.key(generation, actor.scope, asked.path, asked.query_string, form)
        found = cache.once(key, make)
        return made[0] if made or found is None else _unpacked(found)


def _packed(response: Response) -> bytes:
    return orjson.dumps(response.headers.to_wsgi_list()) + b"\n" + response.get_data()


def _unpacked(kept: bytes) -> Response:
    headers, _, body = kept.partition(b"\n")
    return Response(body, headers=orjson.loads(headers))
