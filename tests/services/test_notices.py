"""Telling the admins: who, of what, once, and with nobody waiting for it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Row, text

from app import config, create_app, mail
from app.db import db, transaction
from app.models import FraudFlag, Loan, Role, Severity
from app.services import notices
from tests.conftest import disconnect
from tests.factories import Caller, Lender
from tests.post_office import PostOffice, closed, logged, mute, opened

MakeApp = Callable[..., Flask]
OUT_OF_THE_ORDINARY = "9000000.00"


def flag(admin: Caller, loan: dict[str, Any], reason: str = "looks odd") -> None:
    response = admin.post(f"/loans/{loan['id']}/flag", {"reason": reason})
    assert response.status_code == 200, response.json


def clear(admin: Caller, loan: dict[str, Any]) -> None:
    response = admin.post(f"/loans/{loan['id']}/clear-flags", {"reason": "all well"})
    assert response.status_code == 200, response.json


def deliver(app: Flask) -> int:
    with app.app_context():
        return notices.deliver()


def execute(app: Flask, statement: str) -> Any:
    with app.app_context(), db.engine.connect() as connection:
        return connection.execute(text(statement))


def stored(app: Flask) -> list[Row[Any]]:
    """Of each notice, oldest first: whether it is claimed, whether it is sent."""
    states = "claimed_until > now() AS is_claimed, sent_at IS NOT NULL AS is_sent"
    query = f"SELECT {states} FROM flag_notices ORDER BY created_at"  # noqa: S608
    return list(execute(app, query))


def run_out(app: Flask) -> None:
    """Every claim, as if its time had passed."""
    execute(app, "UPDATE flag_notices SET claimed_until = now() - interval '1 second'")


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
def mailing(make_app: MakeApp, office: PostOffice, clean: None) -> Iterator[Flask]:
    """A service that mails to `office`, without a thread of its own."""
    with opened(office) as settings:
        yield make_app(**settings)


@pytest.fixture
def live(environ: dict[str, str], clean: None) -> Iterator[Callable[..., Flask]]:
    """A service with its own thread, which ends before the slate is wiped."""
    made: list[Flask] = []

    def make(**changes: str) -> Flask:
        made.append(create_app(config.load({**environ, **changes})))
        return made[-1]

    yield make
    for app in made:
        disconnect(app)


def test_active_admins_are_told_and_nobody_else(
    mailing: Flask, office: PostOffice, lender: Lender, admin: Caller, officer: Caller
) -> None:
    second = lender.user(Role.ADMIN)
    lender.user(Role.ADMIN, is_active=False)
    lender.user(Role.APPLICANT)
    flag(admin, officer.make_loan())
    assert deliver(mailing) == 1
    assert sorted(office.letter().to) == sorted([admin.user.email, second.user.email])


def test_the_mail_says_which_loan_and_why_and_nothing_of_the_customer(
    mailing: Flask, office: PostOffice, admin: Caller
) -> None:
    customer = admin.make_customer(
        first_name="Grace", last_name="Hopper", email="grace@navy.example", phone="+1 202 555 0199"
    )
    loan = admin.make_loan(customer, external_id="L-77", purpose="a compiler", amount="1234.50")
    flag(admin, loan, "an answered doubt")
    clear(admin, loan)
    flag(admin, loan, "two papers from one printer")
    assert deliver(mailing) == 1
    message = office.letter().message
    assert message["Subject"] == "Loan L-77 was flagged"
    assert message.get_content().splitlines() == [
        "A loan was flagged and waits for a second look.",
        "",
        f"Loan: {loan['id']}",
        "External id: L-77",
        "Amount: 1234.50",
        "Status: FLAGGED",
        "",
        "Open findings:",
        "- manual: two papers from one printer",
        "",
        f"Look at GET /loans/{loan['id']}",
    ]


def test_a_loan_that_is_clear_again_is_told_of_as_such(
    mailing: Flask, office: PostOffice, admin: Caller
) -> None:
    loan = admin.make_loan()
    flag(admin, loan)
    clear(admin, loan)
    deliver(mailing)
    letter = office.letter()
    assert letter.message["Subject"] == f"Loan {loan['id']} was flagged"
    content = letter.message.get_content()
    assert "No finding is open any more." in content
    assert "Status: PENDING" in content
    assert "External id" not in content


def test_what_a_rule_finds_is_told_of_too(
    mailing: Flask, office: PostOffice, admin: Caller
) -> None:
    loan = admin.make_loan(amount=OUT_OF_THE_ORDINARY)
    assert loan["status"] == "FLAGGED"
    assert deliver(mailing) == 1
    assert "\r\n- amount: The amount of 9000000.00 is" in office.letter().message.get_content()


def test_a_line_break_in_a_record_becomes_neither_header_nor_line(
    mailing: Flask, office: PostOffice, admin: Caller
) -> None:
    loan = admin.make_loan()
    forged = "L\r\nBcc: eve@example.com\r\n\r\nLook at evil.example"
    with mailing.app_context(), transaction():
        tampered = db.session.get_one(Loan, UUID(loan["id"]))
        tampered.external_id = forged
        tampered.flags.add(FraudFlag(rule="manual", reason=forged, severity=Severity.LOW))
    flag(admin, loan)
    deliver(mailing)
    letter = office.letter()
    assert letter.to == [admin.user.email]
    assert "Bcc" not in letter.message
    said = "L Bcc: eve@example.com Look at evil.example"
    assert letter.message["Subject"] == f"Loan {said} was flagged"
    lines = letter.message.get_content().splitlines()
    assert {f"External id: {said}", f"- manual: {said}"} < set(lines)


def test_with_no_admin_the_notice_waits_for_one(
    mailing: Flask, office: PostOffice, app: Flask, lender: Lender, officer: Caller
) -> None:
    officer.make_loan(amount=OUT_OF_THE_ORDINARY)
    assert deliver(app) == 0
    run_out(mailing)
    assert deliver(mailing) == 0
    assert [notice.is_sent for notice in stored(mailing)] == [False]
    admin = lender.user(Role.ADMIN)
    run_out(mailing)
    assert deliver(mailing) == 1
    assert office.letter().to == [admin.user.email]


def test_in_development_the_mail_goes_to_the_log(make_app: MakeApp, admin: Caller) -> None:
    loan = admin.make_loan()
    flag(admin, loan, "two papers from one printer")
    app = make_app()
    with logged() as lines:
        assert deliver(app) == 1
    assert f"Loan {loan['id']} was flagged" in lines.getvalue()
    assert "two papers from one printer" in lines.getvalue()
    assert [notice.is_sent for notice in stored(app)] == [True]


def test_a_loan_flagged_again_is_not_told_of_again(
    mailing: Flask, office: PostOffice, admin: Caller
) -> None:
    loan = admin.make_loan()
    for _ in range(2):
        flag(admin, loan)
        clear(admin, loan)
    assert deliver(mailing) == 1
    flag(admin, loan)
    run_out(mailing)
    assert deliver(mailing) == 0
    assert office.letters.qsize() == 1


def test_nothing_is_told_of_what_did_not_come_to_pass(
    mailing: Flask, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    loan = admin.make_loan()
    woken: list[bool] = []
    monkeypatch.setattr(mailing.extensions["notices"], "wake", lambda: woken.append(True))

    def fail_after_all() -> None:
        with transaction():
            notices.announce(db.session.get_one(Loan, UUID(loan["id"])))
            raise ZeroDivisionError

    with mailing.app_context(), pytest.raises(ZeroDivisionError):
        fail_after_all()
    assert (stored(mailing), woken) == ([], [])
    assert deliver(mailing) == 0


def test_a_refused_decision_tells_nobody(mailing: Flask, admin: Caller) -> None:
    loan = admin.make_loan()
    admin.post(f"/loans/{loan['id']}/withdraw", {"reason": "no more"})
    assert admin.post(f"/loans/{loan['id']}/flag", {"reason": "late"}).status_code == 409
    assert stored(mailing) == []


def test_four_deliverers_at_once_send_each_mail_once(
    mailing: Flask, office: PostOffice, admin: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    loans = [admin.make_loan() for _ in range(8)]
    for loan in loans:
        flag(admin, loan)
    assert sum(in_parallel(*[lambda: deliver(mailing)] * 4)) == 8
    subjects = sorted(office.letter().message["Subject"] for _ in loans)
    assert subjects == sorted(f"Loan {loan['id']} was flagged" for loan in loans)
    assert office.letters.empty()


def test_a_notice_that_another_is_claiming_is_passed_over(
    mailing: Flask, office: PostOffice, admin: Caller
) -> None:
    first, second = admin.make_loan(), admin.make_loan()
    for loan in (first, second):
        flag(admin, loan)
    with mailing.app_context(), db.engine.connect() as another:
        another.execution_options(isolation_level="READ COMMITTED")
        claim = "SELECT 1 FROM flag_notices ORDER BY created_at LIMIT 1 FOR UPDATE"
        another.execute(text(claim))
        assert deliver(mailing) == 1
    assert second["id"] in office.letter().message["Subject"]


def test_a_notice_under_way_is_nobody_elses_and_keeps_no_connection(
    make_app: MakeApp, admin: Caller
) -> None:
    flag(admin, admin.make_loan())
    seen: list[int] = []

    def meanwhile() -> None:
        with app.app_context():
            seen.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]
        seen.append(deliver(app))

    with opened(PostOffice(meanwhile=meanwhile)) as settings:
        app = make_app(**settings)
        assert deliver(app) == 1
    assert seen == [0, 0]


@pytest.mark.parametrize("server", [closed, mute])
def test_a_notice_that_cannot_be_sent_stays_due(
    server: Any, make_app: MakeApp, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT", 0.1)
    flag(admin, admin.make_loan(), "two papers from one printer")
    flag(admin, admin.make_loan())
    with server() as settings:
        app = make_app(**settings)
        with logged() as lines:
            assert deliver(app) == 0
    assert [tuple(notice) for notice in stored(app)] == [(True, False), (None, False)]
    (told,) = lines.getvalue().splitlines()
    assert '"cause":"' in told
    assert "lender.example" not in told
    assert "printer" not in told
    office = PostOffice()
    with opened(office) as settings:
        assert deliver(make_app(**settings)) == 1
        run_out(app)
        assert deliver(make_app(**settings)) == 1


def test_an_untrusted_certificate_is_refused_and_tried_again_later(
    make_app: MakeApp, admin: Caller
) -> None:
    flag(admin, admin.make_loan())
    office = PostOffice()
    with opened(office, security="starttls") as settings:
        app = make_app(**settings)
        assert deliver(app) == 0
    assert office.letters.empty()
    with opened(office) as settings:
        app = make_app(**settings)
        assert deliver(app) == 0  # still claimed
        run_out(app)
        assert deliver(app) == 1


def test_a_mail_that_is_refused_holds_no_other_up(make_app: MakeApp, admin: Caller) -> None:
    first, second = admin.make_loan(), admin.make_loan()
    for loan in (first, second):
        flag(admin, loan)
    office = PostOffice(lambda subject: "554 no" if first["id"] in subject else "250 OK")
    with opened(office) as settings:
        app = make_app(**settings)
        assert deliver(app) == 1
    assert second["id"] in office.letter().message["Subject"]
    assert [tuple(notice) for notice in stored(app)] == [(True, False), (True, True)]


@pytest.mark.parametrize(("dies_at", "mails"), [("mail.send", 1), ("_mark_sent", 2)])
def test_what_a_dead_sender_left_the_next_sends_under_the_same_id(
    mailing: Flask,
    office: PostOffice,
    admin: Caller,
    monkeypatch: pytest.MonkeyPatch,
    dies_at: str,
    mails: int,
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    loan = admin.make_loan()
    flag(admin, loan)
    with monkeypatch.context() as patch:
        patch.setattr(f"app.services.notices.{dies_at}", die)
        with pytest.raises(Killed):
            deliver(mailing)
    assert deliver(mailing) == 0
    run_out(mailing)
    assert deliver(mailing) == 1
    ids = {office.letter().message["Message-ID"] for _ in range(mails)}
    assert ids == {f"<flagged-{loan['id']}@localhost.localdomain>"}
    assert office.letters.empty()


def test_the_command_line_sends_what_is_due(
    mailing: Flask, office: PostOffice, admin: Caller
) -> None:
    for _ in range(2):
        flag(admin, admin.make_loan())
    runner = mailing.test_cli_runner()
    assert runner.invoke(args=["send-notices"]).output == "2 notices sent.\n"
    assert runner.invoke(args=["send-notices"]).output == "0 notices sent.\n"
    assert office.letters.qsize() == 2


def test_flagging_wakes_a_thread_that_mails_and_lets_its_connection_go(
    live: MakeApp, office: PostOffice, admin: Caller
) -> None:
    loan = admin.make_loan()
    with opened(office) as settings:
        app = live(**settings)
        flag(Caller(app, admin.headers), loan)
        assert loan["id"] in office.letter().message["Subject"]
        app.extensions["notices"].close()  # which waits until it is written down
    assert [notice.is_sent for notice in stored(app)] == [True]
    with app.app_context():
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_no_answer_waits_for_the_mail_server(live: MakeApp, admin: Caller) -> None:
    loans = [admin.make_loan(), admin.make_loan()]
    called, answers = Event(), Event()

    def hang() -> None:
        called.set()
        answers.wait(20)

    office = PostOffice(meanwhile=hang)
    with opened(office) as settings:
        caller = Caller(live(**settings), admin.headers)
        flag(caller, loans[0])
        assert called.wait(20)
        flag(caller, loans[1])
        assert caller.get(f"/loans/{loans[1]['id']}").json["status"] == "FLAGGED"
        assert office.letters.empty()
        answers.set()
        subjects = {office.letter().message["Subject"] for _ in loans}
    assert subjects == {f"Loan {loan['id']} was flagged" for loan in loans}


def test_the_thread_tries_again_by_itself(
    live: MakeApp, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(notices, "CLAIM", timedelta())
    answers = iter(["451 not now", "451 not yet"])
    office = PostOffice(recipients=lambda _: next(answers, "250 OK"))
    loan = admin.make_loan()
    with opened(office) as settings:
        flag(Caller(live(**settings), admin.headers), loan)
        assert loan["id"] in office.letter().message["Subject"]


def test_what_fails_in_the_background_fails_no_request(
    live: MakeApp, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    loan = admin.make_loan()
    app = live()

    def fail() -> None:
        raise RuntimeError("no more threads")

    monkeypatch.setattr(app.extensions["notices"], "wake", fail)
    flag(Caller(app, admin.headers), loan)
    assert [notice.is_sent for notice in stored(app)] == [False]
