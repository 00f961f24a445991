"""Answers remembered, by Redis and by who asked, as long as nothing they were made of changed."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson
from flask import Request, Response

from app import cache
from app.cache import Key, Namespace, near
from app.services.actor import Actor
from app.services.generations import Topic
from app.web.tags import is_known, not_modified

# How long an answer is given again at most, whatever happens, in Redis and near together.
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

        `form` is what of the request's headers it depends on. The generation was read before
        anything the answer is made of, hence a 304 to whoever knows an answer of that generation.
        """
        if actor.generation is None:
            return respond()
        namespace = Namespace(self.name, BACKSTOP_SECONDS - near.SECONDS)
        parts = (actor.generation, actor.scope, asked.path, asked.query_string, form)
        key = namespace.key(*parts)
        etag = f'W/"{key.tag}"'
        if is_known(asked, etag):
            return not_modified(etag)
        response = _remembered(key, respond) if cache.is_at_hand(namespace) else respond()
        if response.status_code == 200:
            response.headers["ETag"] = etag
        return response


def _remembered(key: Key, respond: Callable[[], Response]) -> Response:
    made: list[Response] = []

    def make() -> bytes | None:
        made.append(respond())
        return _packed(made[0]) if made[0].status_code == 200 else None

    found = cache.once(key, make)
    return made[0] if made or found is None else _unpacked(found)


def _packed(response: Response) -> bytes:
    return orjson.dumps(response.headers.to_wsgi_list()) + b"\n" + response.get_data()


def _unpacked(kept: bytes) -> Response:
    headers, _, body = kept.partition(b"\n")
    return Response(body, headers=orjson.loads(headers))
