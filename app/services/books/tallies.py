"""What is tallied is what there is, on each day and in longer spans; and so are open flags."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Select,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from app.models import AuditEvent, Customer, FraudFlag, Loan, Payment, Tally, TallyChange
from app.models.tally import FIRST_DAY, Subject
from app.services.books.checks import Check, Differing, Statement, check, words

Line = Select[*tuple[Any, ...]]
SUMS = ("number", "risk", "amount", "outstanding")
COLUMNS = ("of", "day", "kind", "is_flagged", "is_tallied", *SUMS)
NOTHING = literal_column("0", Integer)


def _check(reads: str) -> Callable[[Statement], Check]:
    """A check of what is tallied of such records, against what is on record of them."""
    return check(
        f"tallied {reads}",
        reads=reads,
        record=f"{reads} of",
        found="tallied {}",
        expected="on record {}",
    )


@_check("loans")
def loans() -> Differing:
    """As many of each day and status, flagged or not, and as much in all, as the tallies say."""
    sums = (Loan.risk_score, Loan.amount, Loan.outstanding)
    return _tallied("loans", Loan.created_at, Loan.status, Loan.open_flags > NOTHING, sums)


@_check("customers")
def customers() -> Differing:
    """As many of each day and status as the tallies say."""
    return _tallied("customers", Customer.created_at, Customer.status)


@_check("payments")
def payments() -> Differing:
    """As many of each day and status as the tallies say."""
    return _tallied("payments", Payment.created_at, Payment.status)


@_check("audit events")
def audit_events() -> Differing:
    """As many of each day and action as the tallies say."""
    return _tallied("audit", AuditEvent.at, AuditEvent.action)


@check(
    "tallied spans",
    reads="tallies",
    record="tallies of",
    found="tallied {}",
    expected="by the days {}",
)
def spans() -> Differing:
    """What is tallied of a month, and of all time, is what its days add up to."""
    month = cast(func.date_trunc("month", cast(Tally.starts_on, DateTime)), Date)
    days = [
        _line(words(Tally.subject, span), starts_on, Tally, false()).where(Tally.span == "day")
        for span, starts_on in (("month", month), ("ever", literal(FIRST_DAY, Date)))
    ]
    kept = _line(words(Tally.subject, Tally.span), Tally.starts_on, Tally, true())
    return _differing(kept.where(Tally.span != "day"), *days)


@check("open flags", reads="loans", record="loan", found="open flags {}", expected="on record {}")
def open_flags() -> Differing:
    """A loan has as many as it says."""
    flags = (
        select(FraudFlag.loan_id, func.count().label("number"))
        .where(~FraudFlag.is_cleared())
        .group_by(FraudFlag.loan_id)
        .subquery()
    )
    on_record = func.coalesce(flags.c.number, NOTHING)
    return (
        select(Loan.id, Loan.open_flags.label("found"), on_record.label("expected"))
        .outerjoin(flags, flags.c.loan_id == Loan.id)
        .where(Loan.open_flags != on_record)
    )


def _tallied(
    subject: Subject,
    at: Any,
    kind: Any,
    is_flagged: ColumnElement[bool] | None = None,
    sums: Sequence[Any] = (NOTHING,) * 3,
) -> Differing:
    """What was folded, and what has changed since, beside the records themselves."""
    of = literal(None)
    folded = _line(of, Tally.starts_on, Tally, true()).where(Tally.span == "day")
    changed = _line(of, TallyChange.day, TallyChange, true())
    day = cast(func.timezone(literal_column("'UTC'"), at), Date)
    apart = (day, kind) if is_flagged is None else (day, kind, is_flagged)
    key = (day, kind, false() if is_flagged is None else is_flagged)
    counted = (func.count(), *map(func.sum, sums))
    records = _labelled(of, *key, false(), *counted).group_by(*apart)
    return _differing(
        folded.where(Tally.subject == subject),
        changed.where(TallyChange.subject == subject),
        records,
    )


def _line(of: Any, day: Any, model: type[Tally | TallyChange], is_tallied: Any) -> Line:
    sums = (getattr(model, name) for name in SUMS)
    return _labelled(of, day, model.kind, model.is_flagged, is_tallied, *sums)


def _labelled(*columns: Any) -> Line:
    return select(*(each.label(name) for each, name in zip(columns, COLUMNS, strict=True)))


def _differing(*lines: Line) -> Differing:
    """By what they are of: the sums of those that are tallied beside the sums of the others."""
    of = union_all(*lines).subquery()
    found, expected = (
        [func.coalesce(func.sum(of.c[name]).filter(side), NOTHING) for name in SUMS]
        for side in (of.c.is_tallied, ~of.c.is_tallied)
    )
    key = (of.c.of, of.c.day, of.c.kind, of.c.is_flagged)
    told = [
        words(number, *(func.nullif(each, NOTHING) for each in sums))
        for number, *sums in (found, expected)
    ]
    name = words(of.c.of, of.c.day, of.c.kind, case((of.c.is_flagged, "flagged")))
    return (
        select(name.label("id"), told[0].label("found"), told[1].label("expected"))
        .group_by(*key)
        .having(or_(*(each != other for each, other in zip(found, expected, strict=True))))
        .order_by(*key)
    )
