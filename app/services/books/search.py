"""What is tallied of the letters that customers are sought by is what customers have."""

from typing import Any

from sqlalchemy import Date, Integer, Select, cast, func, literal_column, select, union_all

from app.models import Customer, SearchChange, SearchTally
from app.services.books.checks import Differing, check, words

NOTHING = literal_column("0", Integer)


@check(
    "tallied letters",
    reads="customers",
    record="letters",
    found="tallied {}",
    expected="on record {}",
)
def letters() -> Differing:
    """Of each month and status as many customers have them as the tallies say."""
    folded, changed = SearchTally, SearchChange
    at = func.timezone(literal_column("'UTC'"), Customer.created_at)
    month = cast(func.date_trunc(literal_column("'month'"), at), Date)
    one = literal_column("1", Integer)
    lines = union_all(
        _line(folded.gram, folded.month, folded.status, folded.number, NOTHING),
        _line(
            func.search_grams(changed.text), changed.month, changed.status, changed.number, NOTHING
        ),
        _line(func.search_grams(Customer.searched()), month, Customer.status, NOTHING, one),
    )
    gram, made_in, status, *numbers = lines.subquery().c
    found, expected = map(func.sum, numbers)
    return (
        select(
            words(func.quote_literal(gram), made_in, status).label("id"),
            found.label("found"),
            expected.label("expected"),
        )
        .group_by(gram, made_in, status)
        .having(found != expected)
        .order_by(gram, made_in, status)
    )


def _line(*columns: Any) -> Select[*tuple[Any, ...]]:
    names = ("gram", "month", "status", "kept", "on_record")
    return select(*(each.label(name) for each, name in zip(columns, names, strict=True)))
