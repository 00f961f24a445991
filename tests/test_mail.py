"""Mail, over real connections to a real server."""

from collections.abc import Callable

import pytest
from flask import Flask

from app import mail
from tests.post_office import (
    CERTIFICATE,
    PostOffice,
    closed,
    logged,
    mute,
    opened,
)

ADA, BOB = "ada@lender.example.com", "bob@lender.example.com"
FROM = "loans@lender.example.com"
MakeApp = Callable[..., Flask]


def send(
    app: Flask, *to: str, subject: str = "Subject", text: str = "Text", key: str = "1"
) -> None:
    with app.app_context():
        mail.send(subject, text, to or (ADA,), key=key)


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test server's certificate, among those that OpenSSL trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


def test_a_mail_reaches_everyone_and_none_sees_the_others(make_app: MakeApp) -> None:
    office = PostOffice()
    with opened(office) as settings:
        app = make_app(**settings, MAIL_FROM=FROM)
        send(app, ADA, BOB, subject="Größe", text="Zwölf € — 12\n.\nEnd\n", key="loan-1")
    letter = office.letter()
    assert (letter.sender, letter.to) == (FROM, [ADA, BOB])
    assert dict(letter.message.items()).keys() >= {"Date", "Auto-Submitted"}
    assert letter.message["From"] == FROM
    assert letter.message["Subject"] == "Größe"
    assert letter.message["Message-ID"] == "<loan-1@lender.example.com>"
    assert letter.message["To"] == "undisclosed-recipients:;"
    assert not {"Cc", "Bcc"}.intersection(letter.message.keys())
    assert letter.message.get_content().splitlines() == ["Zwölf € — 12", ".", "End"]
    assert BOB not in letter.message.as_string()


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_travels_encrypted(make_app: MakeApp, security: str) -> None:
    office = PostOffice()
    with opened(office, security=security) as settings:
        send(make_app(**settings))
    assert office.letter().was_encrypted


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_with_a_certificate_that_is_not_trusted_gets_nothing(
    make_app: MakeApp, security: str
) -> None:
    office = PostOffice()
    with opened(office, security=security) as settings:
        app = make_app(**settings, SMTP_USERNAME="loans", SMTP_PASSWORD="secret")
        with pytest.raises(mail.NotSent, match="CERTIFICATE_VERIFY_FAILED"):
            send(app)
    assert office.letters.empty()


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_with_anothers_certificate_gets_nothing(make_app: MakeApp, security: str) -> None:
    office = PostOffice()
    with opened(office, security=security) as settings:
        app = make_app(**{**settings, "SMTP_HOST": "127.0.0.1"})
        with pytest.raises(mail.NotSent, match=r"not valid for '127\.0\.0\.1'"):
            send(app)
    assert office.letters.empty()


def test_a_server_without_starttls_gets_nothing_in_the_clear(make_app: MakeApp) -> None:
    office = PostOffice()
    with opened(office) as settings:
        app = make_app(**{**settings, "SMTP_SECURITY": "starttls"})
        with pytest.raises(mail.NotSent, match="STARTTLS extension not supported"):
            send(app)
    assert office.letters.empty()


@pytest.mark.usefixtures("trusted")
def test_who_has_a_username_logs_in(make_app: MakeApp) -> None:
    office = PostOffice()
    with opened(office, security="starttls", login=("loans", "secret")) as settings:
        send(make_app(**settings, SMTP_USERNAME="loans", SMTP_PASSWORD="secret"))
    assert office.letter().was_logged_in


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ("wrong", "SMTPAuthenticationError: 535"),
        ("ungültig", "UnicodeEncodeError"),
        ("", "SMTPAuthenticationError: 535"),
    ],
)
def test_a_wrong_password_is_no_log_in(make_app: MakeApp, given: str, cause: str) -> None:
    office = PostOffice()
    with opened(office, security="starttls", login=("loans", "secret")) as settings:
        app = make_app(**settings, SMTP_USERNAME="loans", SMTP_PASSWORD=given)
        with pytest.raises(mail.NotSent) as failure:
            send(app)
    assert str(failure.value) == cause
    assert office.letters.empty()


def test_a_refused_mail_is_told_from_a_server_that_is_away(make_app: MakeApp) -> None:
    office = PostOffice(lambda _: f"554 5.7.1 {ADA} wants no such mail")
    with opened(office) as settings, pytest.raises(mail.Refused) as failure:
        send(make_app(**settings))
    assert str(failure.value) == "SMTPDataError: 554"


def test_a_server_that_is_about_to_go_has_refused_no_mail(make_app: MakeApp) -> None:
    office = PostOffice(lambda _: "421 4.3.2 closing")
    with opened(office) as settings, pytest.raises(mail.NotSent) as failure:
        send(make_app(**settings))
    assert failure.type is mail.NotSent


def test_a_mail_that_is_taken_for_some_is_sent(make_app: MakeApp) -> None:
    office = PostOffice(recipients=lambda to: f"550 no {to}" if to == ADA else "250 OK")
    with opened(office) as settings:
        app = make_app(**settings)
        with logged() as lines:
            send(app, ADA, BOB)
    assert office.letter().to == [BOB]
    assert '"missed":1' in lines.getvalue()
    assert "lender.example" not in lines.getvalue()


def test_a_mail_that_is_taken_for_nobody_is_not_sent(make_app: MakeApp) -> None:
    office = PostOffice(recipients=lambda to: f"45{to == ADA:d} not now, {to}")
    with opened(office) as settings, pytest.raises(mail.NotSent) as failure:
        send(make_app(**settings), ADA, BOB)
    assert str(failure.value) == "SMTPRecipientsRefused: [450, 451]"


def test_a_sender_that_is_refused_is_not_named(make_app: MakeApp) -> None:
    with opened(PostOffice(), auth_required=True) as settings, pytest.raises(mail.NotSent) as told:
        send(make_app(**settings))
    assert str(told.value) == "SMTPSenderRefused: 530"


@pytest.mark.parametrize(
    ("reads_any", "to"), [(False, [BOB]), (True, ["ädä@lender.example.com", BOB])]
)
def test_an_address_that_the_server_cannot_read_holds_nobody_else_up(
    make_app: MakeApp, reads_any: bool, to: list[str]
) -> None:
    office = PostOffice()
    with opened(office, enable_SMTPUTF8=reads_any) as settings:
        send(make_app(**settings), "ädä@lender.example.com", BOB)
    assert office.letter().to == to


def test_no_server_at_all_is_a_failure(make_app: MakeApp) -> None:
    with closed() as settings, pytest.raises(mail.NotSent, match="Connection refused"):
        send(make_app(**settings))


def test_a_server_that_hangs_is_given_up(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT", 0.1)
    with mute() as settings, pytest.raises(mail.NotSent, match="timed out"):
        send(make_app(**settings))


def test_what_the_server_took_is_sent_though_the_good_bye_fails(make_app: MakeApp) -> None:
    office = PostOffice(hangs_up=True)
    with opened(office) as settings:
        send(make_app(**settings))
    assert office.letter().to == [ADA]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028"])
def test_a_line_break_in_the_subject_begins_no_header(make_app: MakeApp, end: str) -> None:
    office = PostOffice()
    with opened(office) as settings:
        send(make_app(**settings), ADA, subject=f"Loan 1{end}Bcc: eve@example.com{end}{end}Hello")
    letter = office.letter()
    assert letter.to == [ADA]
    assert letter.message["Subject"] == "Loan 1 Bcc: eve@example.com Hello"
    assert "Bcc" not in letter.message
    assert letter.message.get_content() == "Text\r\n"


@pytest.mark.parametrize(
    "subject",
    ["=?utf-8?q?=0D=0ABcc:_eve=40example.com?=", "=?utf?B?unicode080utf8?=", "é=?x?q?=FF?="],
)
def test_an_encoded_word_in_the_subject_stays_as_it_is_read(
    make_app: MakeApp, subject: str
) -> None:
    office = PostOffice()
    with opened(office) as settings:
        send(make_app(**settings), ADA, subject=subject)
    letter = office.letter()
    assert letter.message["Subject"] == subject.replace("=?", "= ?")
    assert "Bcc" not in letter.message


def test_a_mail_that_cannot_be_written_is_refused_by_itself(make_app: MakeApp) -> None:
    with pytest.raises(mail.Refused, match="UnicodeEncodeError"):
        send(make_app(SMTP_HOST="127.0.0.1", SMTP_PORT="9"), text="half a \udc80 character")


def test_a_line_break_in_an_address_is_no_command(make_app: MakeApp) -> None:
    office = PostOffice()
    with opened(office) as settings:
        send(make_app(**settings), f"{ADA}>\r\nRCPT TO:<eve@example.com")
    assert office.letter().to == [ADA]


def test_in_development_the_mail_goes_to_the_log(make_app: MakeApp) -> None:
    app = make_app(APP_ENV="development")
    with logged() as lines:
        send(app, subject="Loan 1 was flagged", text="because of that")
    assert "Loan 1 was flagged" in lines.getvalue()
    assert "because of that" in lines.getvalue()
    assert ADA not in lines.getvalue()


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_where_strangers_come_a_mail_without_a_server_is_not_sent(
    make_app: MakeApp, environment: str
) -> None:
    app = make_app(APP_ENV=environment)
    with logged() as lines, pytest.raises(mail.NotSent, match="no SMTP_HOST"):
        send(app, subject="Loan 1 was flagged", text="because of that")
    assert lines.getvalue() == ""
