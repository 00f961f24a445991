"""Mail, by SMTP. Where no server is named, it goes to the log, but only in development."""

import logging
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage

from app import config
from app.config import Settings, SmtpSecurity

TIMEOUT = 10.0  # seconds, for each answer of the server
CLOSING = 421  # the server's answer when it is about to go, whatever it was asked
UNFOLDED = policy.SMTP.clone(max_line_length=998)  # not every reader unfolds a Message-ID
log = logging.getLogger(__name__)


class NotSent(Exception):
    """A mail did not go. The message says why and names no one."""


class Refused(NotSent):
    """The server is there and would not have this one mail; it may take the next."""


def send(subject: str, text: str, to: Sequence[str], *, key: str) -> None:
    """Send one mail to all of `to`, none of whom sees the others. Raises NotSent, Refused.

    `key` becomes the Message-ID: a mail sent again under its key can be told for the same. Sent is
    what at least one was taken for; how many it was not taken for is logged.
    """
    settings = config.current()
    # A line break would begin another header, and so may one that is written as an encoded word.
    subject = " ".join(subject.split()).replace("=?", "= ?")
    if not settings.smtp_host:
        _show(settings, subject, text)
        return
    message = _message(settings.mail_from, subject, text, key)
    try:
        with _server(settings) as server:
            missed = _hand_over(server, settings.mail_from, to, message)
    except (OSError, ValueError) as error:
        raise _failure(error) from None
    if missed:
        log.warning("a mail was not taken for everyone", extra={"missed": missed, "of": len(to)})


def _show(settings: Settings, subject: str, text: str) -> None:
    """Raises NotSent where the service is exposed: a forgotten setting must not lose a mail."""
    if settings.is_exposed:
        raise NotSent("no SMTP_HOST")
    log.info("mail, and no SMTP_HOST to send it by", extra={"subject": subject, "text": text})


def _message(mail_from: str, subject: str, text: str, key: str) -> EmailMessage:
    """Raises Refused for what cannot be written: that is this mail's own, and not the server's."""
    try:
        message = _composed(mail_from, subject, text, key)
        message.as_bytes()
    except ValueError as error:
        raise Refused(_cause(error)) from None
    return message


def _composed(mail_from: str, subject: str, text: str, key: str) -> EmailMessage:
    message = EmailMessage(policy=UNFOLDED)
    message["From"] = mail_from
    message["To"] = "undisclosed-recipients:;"
    message["Subject"] = subject
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = f"<{key}@{mail_from.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # so that nobody's absence note answers
    message.set_content(text)
    return message


@contextmanager
def _server(settings: Settings) -> Iterator[smtplib.SMTP]:
    """The mail server, greeted, its certificate verified, logged in."""
    host, port = settings.smtp_host, settings.smtp_port
    server: smtplib.SMTP
    if settings.smtp_security is SmtpSecurity.TLS:
        trusted = ssl.create_default_context()
        server = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=trusted)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    try:
        if settings.smtp_security is SmtpSecurity.STARTTLS:
            server.starttls(context=ssl.create_default_context())
        if settings.smtp_username:
            server.login(settings.smtp_username, settings.smtp_password)
        yield server
        with suppress(smtplib.SMTPException):  # what was taken is sent, whatever comes of good-bye
            server.quit()
    finally:
        server.close()


def _hand_over(
    server: smtplib.SMTP, mail_from: str, to: Sequence[str], message: EmailMessage
) -> int:
    """How many the server would not take it for, or whose address it cannot read."""
    server.ehlo_or_helo_if_needed()
    legible = [each for each in to if each.isascii() or server.has_extn("smtputf8")]
    refused = server.send_message(message, from_addr=mail_from, to_addrs=legible)
    return len(refused) + len(to) - len(legible)


def _failure(error: OSError | ValueError) -> NotSent:
    """Refused is what was judged as a whole; a sender or recipients are the same for the next."""
    is_refused = isinstance(error, smtplib.SMTPDataError) and error.smtp_code != CLOSING
    return (Refused if is_refused else NotSent)(_cause(error))


def _cause(error: OSError | ValueError) -> str:
    """A server's own words may repeat an address, and so may those of a bad value."""
    kind = type(error).__name__
    if not isinstance(error, OSError):
        return kind
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{kind}: {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"{kind}: {sorted({code for code, _ in error.recipients.values()})}"
    return f"{kind}: {error.strerror or error}"
