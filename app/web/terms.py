"""The terms of a route: what it takes, what it answers, what it refuses, and who may ask."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema

from app.errors import DomainError
from app.schemas.common import ListFilter, ReasonIn
from app.services.along import Seen
from app.web.identity import Credential
from app.web.limits import Pace
from app.web.remembered import Cached
from app.web.uploads import Upload

Table = Callable[[Any], Iterable[Sequence[object]]]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a route promises, whatever its view does. The OpenAPI document is built from it.

    `conditional` routes honour If-Match. A route that `reads` one record, that of `ref`, has it
    read along with the credential: its view is called with the record alone. `table` turns the
    result into rows for those who ask for CSV; a result that `is_down` is answered with 503, and of
    one that `is_sparse` what it has is shown. One that `streams` returns an Export, whose records
    are sent while they are read. Lists, exports and what has a `table` may be read from a replica.
    What is `cached` is answered without a call while nothing has changed. Where admins have to have
    a second factor, a route that `needs_totp` is closed to those who have none. One with a `pace`,
    where secrets are guessed at, may be called at that only.
    """

    body: type[Schema] | None = None
    query: type[Schema] | None = None
    returns: type[Schema] | None = None
    status: int = 200
    raises: Sequence[type[DomainError]] = ()
    credential: Credential = Credential.REQUIRED
    needs_totp: bool = True
    pace: Pace | None = None
    conditional: bool = False
    location: str | None = None
    table: Table | None = None
    produces: str = "application/json"
    many: bool = False
    is_down: Callable[[Any], bool] | None = None
    is_sparse: bool = False
    cached: Cached | None = None
    reads: Seen | None = None
    upload: Upload | None = None
    streams: bool = False

    def __post_init__(self) -> None:
        if (
            self.cached or self.reads or self.upload
        ) and self.credential is not Credential.REQUIRED:
            raise TypeError("what is cached, read along or uploaded is so by who may see it")

    @property
    def is_list(self) -> bool:
        return self.query is not None and issubclass(self.query, ListFilter)

    @property
    def is_tagged(self) -> bool:
        """Whether it answers one record, with the entity tag of that."""
        is_one = not (self.is_list or self.many or self.streams or self.cached)
        return is_one and getattr(self.returns, "is_tagged", False)

    @property
    def is_trimmed(self) -> bool:
        """Whether its query may ask for some fields of each record."""
        return self.is_list or self.streams

    @property
    def may_be_a_replicas(self) -> bool:
        """Whether a replica may answer it: lists, reports and exports, and nothing else."""
        return self.is_list or self.streams or self.table is not None

    @property
    def body_is_optional(self) -> bool:
        return self.body is ReasonIn

    @property
    def takes_a_key(self) -> bool:
        """Whether its POST honours an Idempotency-Key: where there is a caller to keep it for."""
        return self.credential in (Credential.REQUIRED, Credential.OPTIONAL)
