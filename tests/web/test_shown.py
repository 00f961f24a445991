"""What is shown of a record, byte for byte: what its schema and its fields make of it."""

from collections import namedtuple
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_address
from itertools import islice, permutations
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields

from app.models import LoanStatus, Role, Severity
from app.schemas.fields import (
    Anything,
    Choice,
    Day,
    Exact,
    Excerpt,
    Figure,
    Id,
    Instant,
    Money,
    Score,
)
from app.schemas.loans import Decider, FraudFlagOut, LoanOut
from app.schemas.reports import PortfolioOut
from app.web.shown import CHOICES_KEPT, json, known_fields, shower
from tests.attacks import routes

UNHURRIED = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
Strategy = st.SearchStrategy[Any]

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
# Moments far enough from the ends of the calendar to be told in UTC, whatever their offset: whole
# minutes, as RFC 3339 has it. Python reads an offset of microseconds alone back as none at all.
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(
    datetime(2, 1, 1),  # noqa: DTZ001
    datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC) | OFFSETS,
)
CENTS = st.decimals(-(10**12), 10**12, places=2)
WHOLE = st.integers(-(2**53), 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ENUMS = st.sampled_from([*LoanStatus, *Role, *Severity])
IDS = st.uuids()


class Kind(StrEnum):
    ODD = "odd"


# What may stand in a field of each type, beside nothing at all.
VALUES: Mapping[type, Strategy] = {
    fields.String: TEXT | st.ip_addresses() | ENUMS | WHOLE,
    fields.Integer: WHOLE,
    fields.Boolean: st.booleans(),
    Anything: JSON,
    Choice: ENUMS | ENUMS.map(str),
    Day: st.dates(),
    Excerpt: TEXT,
    Id: IDS | IDS.map(str),
    Decider: IDS,
    Instant: MOMENTS
    | MOMENTS.map(lambda moment: moment.replace(microsecond=0))
    | MOMENTS.map(lambda moment: moment.astimezone(UTC).isoformat()),
    Money: CENTS | CENTS.map(lambda amount: f"{amount:.2f}") | WHOLE.map(Decimal),
    Score: st.decimals(0, 1, places=2) | st.sampled_from([Decimal(0), Decimal(1)]),
    Exact: st.decimals(-1, 10**6, places=12),
    Figure: CENTS | WHOLE | st.decimals(0, 1, places=4),
}


def schemas() -> list[type[Schema]]:
    """Every schema that a route shows, and those within them."""
    waiting = {route.contract.returns for route in routes() if route.contract.returns}
    found: set[type[Schema]] = set()
    while waiting:
        schema = waiting.pop()
        found.add(schema)
        within = {nested(field) for field in schema().dump_fields.values()} - {None}
        waiting |= within - found
    return sorted(found, key=lambda schema: schema.__name__)


def nested(field: Any) -> type[Schema] | None:
    while isinstance(field, fields.List):
        field = field.inner
    return type(field.schema) if isinstance(field, fields.Nested) else None


def valued(field: Any) -> Strategy:
    """What a field may hold. Lists are none where there is nothing: see below."""
    if isinstance(field, fields.List):
        return st.lists(valued(field.inner), max_size=3)
    if isinstance(field, fields.Nested):
        return st.none() | records(type(field.schema))
    return st.none() | VALUES[type(field)]


def records(schema: type[Schema]) -> Strategy:
    """As the services hand them out: objects, named tuples, and mappings."""
    parts = {field.attribute or name: valued(field) for name, field in schema().dump_fields.items()}
    whole = st.fixed_dictionaries(parts)
    if any("." in name for name in parts):
        return whole.map(as_object)
    return whole | whole.map(as_object) | whole.map(as_row)


def as_object(values: Mapping[str, Any]) -> SimpleNamespace:
    """`record.name` is the name of a record of its own."""
    made = SimpleNamespace()
    for path, value in values.items():
        *outer, name = path.split(".")
        place = made
        for each in outer:
            place.__dict__.setdefault(each, SimpleNamespace())
            place = getattr(place, each)
        setattr(place, name, value)
    return made


def as_row(values: Mapping[str, Any]) -> Any:
    return namedtuple("Row", values)(**values)


@pytest.mark.parametrize("schema", schemas(), ids=lambda schema: schema.__name__)
def test_a_record_is_shown_as_its_schema_dumps_it(schema: type[Schema]) -> None:
    @UNHURRIED
    @given(records(schema))
    def shown(record: Any) -> None:
        assert json(shower(schema)(record)) == orjson.dumps(schema().dump(record))

    shown()


@pytest.mark.parametrize("schema", schemas(), ids=lambda schema: schema.__name__)
def test_a_part_is_shown_as_the_whole_is(schema: type[Schema]) -> None:
    @UNHURRIED
    @given(records(schema), st.sets(st.sampled_from(sorted(known_fields(schema))), min_size=1))
    def shown(record: Any, only: set[str]) -> None:
        part, whole = shower(schema, tuple(only))(record), shower(schema)(record)
        kept = {name: value for name, value in whole.items() if name in only}
        assert list(part) == list(kept)
        assert json(part) == json(kept)

    shown()


@UNHURRIED
@given(MOMENTS)
@example(datetime(2026, 1, 31, 9, 30, tzinfo=UTC))
@example(datetime(2026, 1, 31, 9, 30, 0, 1, tzinfo=UTC))
@example(datetime(2026, 1, 31, 9, 30, tzinfo=timezone(timedelta(hours=-5, minutes=-30))))
def test_a_moment_is_told_in_utc_and_to_the_microsecond(moment: datetime) -> None:
    class Out(Schema):
        at = Instant()

    for value in (moment, moment.isoformat()):
        text = json(shower(Out)({"at": value})).decode().removeprefix('{"at":"').removesuffix('"}')
        assert text.endswith("Z")
        assert datetime.fromisoformat(text) == moment
        assert ("." in text) == bool(moment.microsecond)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_is_shown_as_text(address: str) -> None:
    class Out(Schema):
        address = fields.String()

    assert shower(Out)({"address": ip_address(address)}) == {"address": address}


def test_no_list_is_an_empty_one() -> None:
    """As PostgreSQL has none to tell of where it adds up nothing."""

    class Out(Schema):
        flags = fields.List(fields.Nested(FraudFlagOut))
        names = fields.List(fields.String())
        ids = fields.List(Id())

    nothing = {"flags": None, "names": None, "ids": None}
    assert shower(Out)(nothing) == {"flags": [], "names": [], "ids": []}


def test_a_field_that_serializes_in_a_way_of_its_own_does_so() -> None:
    """Whatever its ancestors' values are written as."""

    class Doubled(fields.Integer):
        def _serialize(self, value: Any, *_: Any, **__: Any) -> int:
            return int(value) * 2

    class Hidden(Id):
        def _serialize(self, *_: Any, **__: Any) -> str:
            return "hidden"

    class Loud(fields.String):
        def _serialize(self, value: Any, *_: Any, **__: Any) -> str:
            return str(value).upper()

    class Out(Schema):
        number = Doubled()
        id = Hidden()
        kind = Loud()
        ids = fields.List(Hidden())

    record = {"number": 2, "id": UUID(int=1), "kind": Kind.ODD, "ids": [UUID(int=1)]}
    assert shower(Out)(record) == {"number": 4, "id": "hidden", "kind": "ODD", "ids": ["hidden"]}


def test_what_clients_choose_is_not_kept_without_end() -> None:
    names = sorted(known_fields(LoanOut))
    for chosen in islice(permutations(names), CHOICES_KEPT + 10):
        shower(LoanOut, chosen)
    assert shower.cache_info().currsize <= CHOICES_KEPT


def test_what_a_record_lacks_is_no_less_than_a_bug() -> None:
    with pytest.raises(AttributeError):
        shower(LoanOut)(SimpleNamespace(id=UUID(int=1)))
    with pytest.raises(KeyError):
        shower(PortfolioOut)({"total": 1})
