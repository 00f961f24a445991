"""A real SMTP server on a port of its own, what it was handed, and what the service logs of it."""

import io
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from queue import Queue
from threading import Timer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from app.web.logs import Lines

CERTIFICATE = Path(__file__).parent / "certificates" / "localhost.pem"
ACCEPTED = "250 OK"


@dataclass(frozen=True)
class Letter:
    """One mail as the server was handed it."""

    sender: str
    to: list[str]
    message: EmailMessage
    was_encrypted: bool
    was_logged_in: bool


class PostOffice:
    """Takes every mail, unless told otherwise; `meanwhile` runs while the client waits for it."""

    def __init__(
        self,
        answers: Callable[[str], str] = lambda _: ACCEPTED,
        *,
        recipients: Callable[[str], str] = lambda _: ACCEPTED,
        hangs_up: bool = False,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        self.letters: Queue[Letter] = Queue()
        self._answers = answers
        self._recipients = recipients
        self._hangs_up = hangs_up
        self._meanwhile = meanwhile

    def letter(self) -> Letter:
        """The next mail, which may take a moment to come."""
        return self.letters.get(timeout=20)

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, _: Any, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        answer = self._recipients(address)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self._meanwhile()
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy.default)
        answer = self._answers(str(message["Subject"]))
        if answer.startswith("2"):
            self.letters.put(
                Letter(
                    sender=str(envelope.mail_from),
                    to=envelope.rcpt_tos,
                    message=message,
                    was_encrypted=server.transport.get_extra_info("sslcontext") is not None,
                    was_logged_in=bool(session.authenticated),
                )
            )
        return answer

    async def handle_QUIT(self, server: Any, *_: Any) -> str:  # noqa: N802
        if self._hangs_up:
            server.transport.abort()
        return "221 Bye"


@contextmanager
def opened(
    office: PostOffice,
    *,
    security: str = "none",
    login: tuple[str, str] | None = None,
    **parameters: Any,
) -> Iterator[dict[str, str]]:
    """Serve by `security`, for whoever logs in by `login`; yields the settings to reach it by."""
    if security == "starttls":
        parameters |= {"tls_context": certified(), "require_starttls": True}
    elif security == "tls":
        parameters |= {"ssl_context": certified()}
    if login is not None:
        parameters |= {"authenticator": knows(*login), "auth_required": True}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Server(office, listener, **parameters)
        server.start()
        try:
            yield settings(listener, security)
        finally:
            server.stop()


@contextmanager
def mute() -> Iterator[dict[str, str]]:
    """A server that takes calls and says nothing, until it breaks off for who has no time-out."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        breaks_off = Timer(10, listener.close)
        breaks_off.start()
        try:
            yield settings(listener, "none")
        finally:
            breaks_off.cancel()


@contextmanager
def closed() -> Iterator[dict[str, str]]:
    """A port at which nobody listens, kept from everybody else."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield settings(taken, "none")


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """What the app made last writes to its log, as it stands there."""
    logger = logging.getLogger("app")
    # Beside its own there are pytest's, where the app was made by a fixture.
    (handler,) = [each for each in logger.handlers if isinstance(each, Lines)]
    lines, level = io.StringIO(), logger.level
    logger.setLevel("INFO")
    former = handler.setStream(lines)
    try:
        yield lines
    finally:
        handler.setStream(former)
        logger.setLevel(level)


def settings(listener: socket.socket, security: str) -> dict[str, str]:
    port = listener.getsockname()[1]
    return {"SMTP_HOST": "localhost", "SMTP_PORT": str(port), "SMTP_SECURITY": security}


def certified() -> ssl.SSLContext:
    """A server's side, for "localhost", by a certificate that nobody trusts of himself."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


def knows(username: str, password: str) -> Callable[..., AuthResult]:
    def judge(_: Any, __: Any, ___: Any, ____: str, given: object) -> AuthResult:
        right = LoginPassword(username.encode(), password.encode())
        return AuthResult(success=given == right, handled=False)

    return judge


class _Server(Controller):
    """On a port that the system chose."""

    def __init__(self, office: PostOffice, listener: socket.socket, **parameters: Any) -> None:
        host, port = listener.getsockname()
        super().__init__(office, hostname=host, port=port, **parameters)
        self._listener = listener

    def _create_server(self) -> Awaitable[Any]:
        return self.loop.create_server(
            self._factory_invoker, sock=self._listener, ssl=self.ssl_context
        )
