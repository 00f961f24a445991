"""Deeds, counted for the metrics once they are committed: those of the audit trail that are named.

What is rolled back, or run again, is not counted for it.
"""

from collections.abc import Iterable, Mapping

from prometheus_client import Counter

from app.db import after_commit
from app.models import PaymentStatus
from app.rules.fraud import RULES

MANUAL = "manual"
DECISIONS = Counter(
    "loans_decisions", "Decisions on applications, by a person or by policy.", ("decision", "by")
)
PAYMENTS = Counter("loans_payments", "Payments, and those that undo one as REVERSED.", ("status",))
FINDINGS = Counter("loans_fraud_findings", "Flags added to loans, by rule.", ("rule",))
LOGINS = Counter("loans_logins", "Log-ins that opened a session.")
LOGIN_FAILURES = Counter(
    "loans_login_failures",
    "Wrong passwords and one-time passwords, and attempts refused for there were too many.",
    ("reason",),
)
DECIDED = ("approved", "rejected", "withdrawn", "activated", "flagged", "flags_cleared")
BY = ("person", "policy")

# Made now, so that each is there from the start, as 0: a rate needs a beginning.
_DECISIONS = {
    (f"loan.{decision}", by): DECISIONS.labels(decision, by) for decision in DECIDED for by in BY
}
_OTHERS: Mapping[str, Counter] = {
    **{f"payment.{status.lower()}": PAYMENTS.labels(status) for status in PaymentStatus},
    "user.logged_in": LOGINS,
}
_FINDINGS = {rule: FINDINGS.labels(rule) for rule in (*RULES, MANUAL)}
WRONG, TOO_MANY = map(LOGIN_FAILURES.labels, ("wrong", "too many"))


def deed(action: str, by: object = None) -> None:
    """Count a deed by the name it has on the audit trail, once the work in hand is committed."""
    person_or_policy = "policy" if by == "policy" else "person"
    counter = _OTHERS.get(action) or _DECISIONS.get((action, person_or_policy))
    if counter is not None:
        after_commit(counter.inc)


def findings(rules: Iterable[str]) -> None:
    """Count what was found, once the work in hand is committed."""
    for rule in rules:
        after_commit(_FINDINGS[rule].inc)
