"""Who sits at the console in the tests: a browser without scripts, with its cookies and forms."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from werkzeug.test import Client, TestResponse

from app.models import User
from tests.factories import PASSWORD

HOST = "console.example"
COOKIE = "console-session"


class Desk:
    """A browser at the console. Paths are those below its address."""

    def __init__(self, app: Flask, user: User | None = None, *, at: str = "/console") -> None:
        self.app, self.user, self.at = app, user, at
        self.client: Client = app.test_client()
        self.scheme = "https" if app.extensions["settings"].is_exposed else "http"

    @property
    def base(self) -> str:
        return f"{self.scheme}://{HOST}"

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.client.get(self.at + path, base_url=self.base, **kwargs)

    def post(
        self, path: str, form: dict[str, Any] | None = None, *, headers: Any = None, **kwargs: Any
    ) -> TestResponse:
        """Send a form as its page would: with the token, and from the console's own origin."""
        data = {"csrf": self.token(path), **(form or {})}
        sent = {"Origin": self.base, **(headers or {})}
        return self.client.post(
            self.at + path, data=data, headers=sent, base_url=self.base, **kwargs
        )

    def token(self, path: str = "/") -> str:
        """The token of the forms of this session; before there is one, or to log in, of a visit."""
        page = self.get("/login" if path == "/login" else "/me/")
        return token_of(page if page.status_code == 200 else self.get("/login"))

    def log_in(self, password: str = PASSWORD, **fields: Any) -> TestResponse:
        assert self.user is not None
        return self.post("/login", {"email": self.user.email, "password": password, **fields})

    def cookie(self, name: str = COOKIE) -> str | None:
        prefix = "__Host-" if self.scheme == "https" else ""
        found = self.client.get_cookie(prefix + name, domain=HOST)
        return found.value if found else None

    def plant(self, value: str, name: str = COOKIE) -> None:
        """Put a cookie there, as somebody else would."""
        self.client.set_cookie(name, value, domain=HOST)


def seated(app: Flask, user: User) -> Desk:
    """A user of that role, logged in at the console."""
    desk = Desk(app, user)
    answer = desk.log_in()
    assert answer.status_code == 303, answer.text
    return desk


def token_of(page: TestResponse) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found, page.text[:500]
    return found[1]


def told(desk: Desk, answer: TestResponse) -> list[str]:
    """What the page tells of that the answer leads to."""
    assert answer.status_code == 303, answer.text
    page = desk.client.get(answer.location, base_url=desk.base)
    return messages(page)


def messages(page: TestResponse) -> list[str]:
    found = re.findall(r'<p class="message \w+"[^>]*>.*?</span>(.*?)</p>', page.text, re.DOTALL)
    return [unescape(each).strip() for each in found]


def way_back(answer: TestResponse) -> str | None:
    """Where the log-in that the answer leads to will lead to."""
    assert urlsplit(answer.location).path == "/console/login"
    return parse_qs(urlsplit(answer.location).query).get("next", [None])[0]
