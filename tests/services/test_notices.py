"""Telling the admins: who, of what, once, and with nobody waiting for it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Row, text

from app import config, create_app, mail
from app.db import db, transaction
from app.models import Loan, LoanStatus, Role
from app.rules.fraud import RULES
from app.services import notices
from tests.conftest import disconnect
from tests.factories import Caller, Lender
from tests.post_office import PostOffice, closed, logged, mute, opened

MakeApp = Callable[..., Flask]
OUT_OF_THE_ORDINARY = "9000000.00"
# In which any three digits may stand.
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ROOT = Path(__file__).parents[2]


def flag(admin: Caller, loan: dict[str, Any], reason: str = "looks odd") -> None:
    response = admin.post(f"/loans/{loan['id']}/flag", {"reason": reason})
    assert response.status_code == 200, response.json


def clear(admin: Caller, loan: dict[str, Any]) -> None:
    do(admin, loan, "clear-flags")


def do(admin: Caller, loan: dict[str, Any], deed: str) -> None:
    response = admin.post(f"/loans/{loan['id']}/{deed}", {"reason": "all well"})
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


@contextmanager
def served(environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A real gunicorn with one worker, which nobody asks anything."""
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    given = {**os.environ, **environ, "PORT": "0", "WEB_CONCURRENCY": "1"}
    server = subprocess.Popen(command, cwd=ROOT, env=given)
    try:
        yield server
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()


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


def test_the_mail_says_which_loan_by_which_rule_and_nothing_of_the_customer(
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
    assert message["Subject"] == f"Loan {loan['id']} was flagged"
    assert message.get_content().splitlines() == [
        "A loan was flagged and waits for a second look.",
        "",
        f"Loan: {loan['id']}",
        "External id: L-77",
        "Status: FLAGGED",
        "",
        "Open findings:",
        "- manual (high)",
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
    assert letter.message.get_content().splitlines() == [
        "A loan was flagged; it has since been cleared, and is pending.",
        "",
        f"Loan: {loan['id']}",
        "Status: PENDING",
        "",
        "No finding is open any more.",
        "",
        f"Look at GET /loans/{loan['id']}",
    ]


@pytest.mark.parametrize(
    ("deeds", "became"),
    [
        (["reject"], "rejected"),
        (["withdraw"], "withdrawn"),
        (["approve"], "approved"),
        (["approve", "activate"], "disbursed"),
    ],
)
def test_the_mail_says_what_has_become_of_the_loan_since(
    mailing: Flask, office: PostOffice, admin: Caller, deeds: list[str], became: str
) -> None:
    loan = admin.make_loan()
    flag(admin, loan)
    for deed in deeds:
        do(admin, loan, deed)
    deliver(mailing)
    news, *_ = office.letter().message.get_content().splitlines()
    assert news == f"A loan was flagged; it has since been {became}."


def test_there_are_words_for_whatever_may_become_of_a_loan() -> None:
    assert {LoanStatus.FLAGGED, *notices.SINCE} == set(LoanStatus)


def test_of_what_a_rule_found_the_mail_names_rule_and_severity_alone(
    make_app: MakeApp, office: PostOffice, admin: Caller
) -> None:
    few = {"FRAUD_VELOCITY": "threshold=1", "FRAUD_EMAIL_DOMAIN": "threshold=1"}
    with opened(office) as settings:
        app = make_app(**settings, **few)
        caller = Caller(app, admin.headers)
        customer = caller.make_customer(email="grace@mailinator.com", phone="+1 202 555 0199")
        caller.make_customer(email="ada@mailinator.com", phone="+1 (202) 5550199")
        caller.make_loan(customer, income="30123.45")
        loan = caller.make_loan(customer, amount=OUT_OF_THE_ORDINARY, income="71234.56")
        assert deliver(app) == 2
    flags = loan["fraud_flags"]
    assert {found["rule"] for found in flags} == set(RULES)
    mails = [ID.sub("", str(office.letter().message)) for _ in range(2)]
    told = [found["reason"] for found in flags]
    told += [str(value) for found in flags for value in found["evidence"].values()]
    telling = [words for words in told if len(words) > 2]  # a count may stand in any date
    assert {"mailinator.com", OUT_OF_THE_ORDINARY, "71234.56", "30123.45"} < set(telling)
    telling += ["5550199", "0199", "5000000", "mailinator", "9000000", "71234", "30123"]
    assert [words for words in telling if words in "".join(mails)] == []
    findings = {line for line in mails[1].splitlines() if line.startswith("- ")}
    assert findings == {f"- {found['rule']} ({found['severity']})" for found in flags}


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?=0D=0ABcc:_eve=40example.com?=",
        "=?utf-8?q?=0D=0A=0D=0ALook_at_evil.example?=",
        "=?utf?B?unicode080utf8?=",
        "é=?x?q?=FF?=",
    ],
)
def test_what_an_applicant_calls_a_loan_neither_forges_nor_stops_a_mail(
    mailing: Flask, office: PostOffice, admin: Caller, name: str
) -> None:
    loan = admin.make_loan(external_id=name, amount="6000000.00")
    assert deliver(mailing) == 1
    letter = office.letter()
    assert letter.to == [admin.user.email]
    assert "Bcc" not in letter.message
    assert letter.message["Subject"] == f"Loan {loan['id']} was flagged"
    assert f"External id: {name}" in letter.message.get_content().splitlines()


def test_a_line_break_in_a_record_becomes_neither_header_nor_line(
    mailing: Flask, office: PostOffice, admin: Caller
) -> None:
    loan = admin.make_loan()
    forged = "L\r\nBcc: eve@example.com\r\n\r\nLook at evil.example"
    with mailing.app_context(), transaction():
        tampered = db.session.get_one(Loan, UUID(loan["id"]))
        tampered.external_id = forged
    flag(admin, loan)
    deliver(mailing)
    letter = office.letter()
    assert letter.to == [admin.user.email]
    assert "Bcc" not in letter.message
    said = "L Bcc: eve@example.com Look at evil.example"
    assert letter.message["Subject"] == f"Loan {loan['id']} was flagged"
    assert f"External id: {said}" in letter.message.get_content().splitlines()


def test_with_no_admin_the_notice_waits_for_one(
    mailing: Flask, office: PostOffice, app: Flask, lender: Lender, officer: Caller
) -> None:
    officer.make_loan(amount=OUT_OF_THE_ORDINARY)
    assert deliver(app) == 0
    with logged() as lines:
        for _ in range(3):
            run_out(mailing)
            assert deliver(mailing) == 0
    (told,) = lines.getvalue().splitlines()
    assert '"cause":"no active admin"' in told
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
    assert "- manual (high)" in lines.getvalue()
    assert [notice.is_sent for notice in stored(app)] == [True]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_where_strangers_come_a_forgotten_server_loses_no_notice(
    mailing: Flask, make_app: MakeApp, admin: Caller, environment: str
) -> None:
    loan = admin.make_loan()
    flag(admin, loan)
    app = make_app(APP_ENV=environment)
    with logged() as lines:
        for _ in range(3):
            run_out(app)
            assert deliver(app) == 0
    (told,) = lines.getvalue().splitlines()
    assert '"cause":"no SMTP_HOST"' in told
    assert loan["id"] not in told
    run_out(app)
    assert deliver(mailing) == 1


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


def test_a_refused_mail_is_tried_ever_more_seldom_and_given_up(
    make_app: MakeApp, admin: Caller
) -> None:
    loan = admin.make_loan()
    flag(admin, loan)
    asked: list[str] = []

    def refuse(subject: str) -> str:
        asked.append(subject)
        return "554 no"

    waits = "SELECT attempts, round(extract(epoch FROM claimed_until - now()) / 60) AS minutes"
    seen = []
    with opened(PostOffice(refuse)) as settings:
        app = make_app(**settings)
        with logged() as lines:
            for _ in range(notices.MOST_ATTEMPTS + 2):
                assert deliver(app) == 0
                seen.append(tuple(execute(app, f"{waits} FROM flag_notices").one()))
                run_out(app)
    minutes = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440, 1440]
    assert seen[:-2] == list(enumerate(minutes, start=1))
    assert len(asked) == notices.MOST_ATTEMPTS
    *others, last = lines.getvalue().splitlines()
    assert ['"level":"warning"' in line for line in others] == [True] * len(others)
    assert '"level":"error"' in last
    assert loan["id"] in last
    assert len(others) == notices.MOST_ATTEMPTS - 1


def test_an_outage_is_told_once_and_costs_no_attempt(make_app: MakeApp, admin: Caller) -> None:
    for _ in range(2):
        flag(admin, admin.make_loan())
    answers = iter(["451 not now", "450 not yet", "451 not now", "250 OK", "450 again"])
    office = PostOffice(recipients=lambda _: next(answers))
    with opened(office) as settings:
        app = make_app(**settings)
        with logged() as lines:
            for _ in range(4):
                deliver(app)
                run_out(app)
    told = [
        line.partition('"event":"')[2].partition('"')[0] for line in lines.getvalue().splitlines()
    ]
    away = "no mail goes, and notices wait"
    assert told == [away, "mail goes again, and so do notices", away]
    assert [tuple(row) for row in execute(app, "SELECT attempts FROM flag_notices")] == [(0,), (0,)]


@pytest.mark.parametrize("answer", ["250 OK", "554 no"])
def test_who_lost_a_claim_leaves_the_notice_to_who_has_it(
    make_app: MakeApp, admin: Caller, answer: str
) -> None:
    flag(admin, admin.make_loan())

    def another_claims() -> None:
        execute(app, "UPDATE flag_notices SET claimed_until = now() + interval '1 hour'")

    with opened(PostOffice(lambda _: answer, meanwhile=another_claims)) as settings:
        app = make_app(**settings)
        with logged() as lines:
            deliver(app)
    left = (
        "SELECT sent_at, attempts, claimed_until > now() + interval '50 minutes' FROM flag_notices"
    )
    assert tuple(execute(app, left).one()) == (None, 0, True)
    (told,) = lines.getvalue().splitlines()
    assert "a claim ran out under way" in told


@pytest.mark.parametrize(("dies_at", "mails"), [("mail.send", 1), ("_settle", 2)])
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


def test_who_is_closed_sends_no_other_mail(live: MakeApp, admin: Caller) -> None:
    for _ in range(2):
        flag(admin, admin.make_loan())
    office = PostOffice(meanwhile=lambda: app.extensions["notices"].close(within=0))
    with opened(office) as settings:
        app = live(**settings)
        app.extensions["notices"].wake()
        office.letter()
        app.extensions["notices"].close()
    assert [notice.is_sent for notice in stored(app)] == [True, False]
    assert office.letters.empty()


def test_no_command_sends_unless_told_to(live: MakeApp, office: PostOffice, admin: Caller) -> None:
    flag(admin, admin.make_loan())
    with opened(office) as settings:
        app = live(**settings)
        app.test_cli_runner().invoke(args=["forget-expired"])
        app.extensions["notices"].close()
    assert [tuple(notice) for notice in stored(app)] == [(None, False)]


def test_a_worker_sends_at_its_start_what_another_left(
    environ: dict[str, str], office: PostOffice, admin: Caller
) -> None:
    loan = admin.make_loan()
    flag(admin, loan)
    with opened(office) as settings, served({**environ, **settings}):
        assert loan["id"] in office.letter().message["Subject"]


def test_a_worker_that_is_stopped_writes_down_the_mail_under_way(
    app: Flask, environ: dict[str, str], admin: Caller
) -> None:
    flag(admin, admin.make_loan())
    called, answers = Event(), Event()

    def hang() -> None:
        called.set()
        answers.wait(20)

    office = PostOffice(meanwhile=hang)
    with opened(office) as settings, served({**environ, **settings}) as server:
        assert called.wait(20)
        server.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            server.wait(1.5)
        answers.set()
        assert server.wait(20) == 0
    assert [notice.is_sent for notice in stored(app)] == [True]
