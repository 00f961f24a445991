"""A lender with a past, served by gunicorn, and its people at browsers."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from playwright.sync_api import Browser, BrowserContext, Page

from app.local.processes import wait_until
from tests.factories import LOAN, PASSWORD
from tests.serving import PATIENCE, Client, Service

PICTURES = Path(
    os.environ.get("SCREENSHOTS") or Path(__file__).parents[2] / ".local" / "screenshots"
)
# Chromium's own line for a page that was refused.
REFUSED = "Failed to load resource: the server responded with a status of 4"
# What a page was kept from doing by its own policy is an error here.
TELLS_OF_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
});
"""
Connection = psycopg.Connection[Any]
STAFF = {"admin": "admin@lender.example.com", "officer": "officer@lender.example.com"}


@dataclass
class Site:
    """The service, and the records that its pages are of."""

    service: Service
    database_url: str
    records: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    @contextmanager
    def caller(self, role: str = "admin") -> Iterator[Client]:
        """A client of the API, to make records with."""
        credentials = {"email": STAFF[role], "password": PASSWORD}
        with self.service.client() as client:
            token = client.post("/auth/login", credentials).json["access_token"]
        with self.service.client({"Authorization": f"Bearer {token}"}) as client:
            yield client

    def furnish(self) -> None:
        """The people, and one record of each kind and state."""
        with self.service.client() as client:
            first = {"email": STAFF["admin"], "password": PASSWORD}
            assert client.post("/auth/register", first).status == 201
        with self.caller() as client:
            officer = {"email": STAFF["officer"], "password": PASSWORD, "role": "officer"}
            self.records["user"] = made(client, "/auth/register", officer)
            key = {"name": "nightly export", "role": "officer"}
            self.records["key"] = made(client, "/auth/api-keys", key)
            self._lend(client)

    def _lend(self, client: Client) -> None:
        ada = {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com"}
        customer = made(client, "/customers/", {**ada, "credit_limit": "200000.00"})
        self.records["customer"] = customer
        loan = {**LOAN, "customer_id": customer}
        for number, (purpose, amount) in enumerate(
            (("a delivery van", "25000.00"), ("a printing press", "41000.50"), ("a shop", "900.00"))
        ):
            self.records[f"debt {number}"] = debt = made(
                client, "/loans/", {**loan, "purpose": purpose, "amount": amount}
            )
            assert client.post(f"/loans/{debt}/activate").status == 200
        payment = {"customer_id": customer, "total_amount": "1234.56"}
        self.records["payment"] = made(client, "/payments/", payment)
        deposit = {"amount": "75.00", "note": "cash at the counter"}
        made(client, f"/customers/{customer}/account/deposits", deposit)
        grace = {"first_name": "Grace", "last_name": "Hopper", "email": "grace@example.org"}
        other = made(client, "/customers/", grace)
        self.records["loan"] = made(
            client, "/loans/", {**loan, "amount": "7000000.00", "customer_id": other}
        )
        for amount in ("12000.00", "18500.00"):
            made(client, "/loans/", {**loan, "amount": amount, "customer_id": other})
        lines = "".join(f"site-{at},{'100.00' if at % 2 else 'much'}\n" for at in range(60))
        self.records["import"] = imported(client, "January.csv", lines)
        with self.service.client({"Content-Type": "application/x-www-form-urlencoded"}) as stranger:
            stranger.post("/admin/")


def made(client: Client, path: str, body: dict[str, Any]) -> str:
    answer = client.post(path, body)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def imported(client: Client, filename: str, lines: str) -> str:
    """The dry run of a file, which is over."""
    answer = client.upload("/customers/imports?dry_run=true", filename, lines.encode())
    assert answer.status == 202, answer.body
    record = f"/customers/imports/{answer.json['id']}"
    assert wait_until(lambda: client.get(record).json["status"] == "COMPLETED", PATIENCE)
    return str(answer.json["id"])


def one(sql: Connection, query: str, *values: object) -> tuple[Any, ...]:
    """The one row that there is."""
    row = sql.execute(query, values).fetchone()
    assert row is not None
    return row


def told(page: Page) -> str:
    page.locator("#told .message").first.wait_for()
    return page.locator("#told").inner_text()


@dataclass
class Visitor:
    """A browser window, and whatever it should not have done."""

    site: Site
    context: BrowserContext
    page: Page
    complaints: list[str]

    def open(self, path: str) -> None:
        answer = self.page.goto(f"{self.site.url}{path}")
        assert answer is not None
        assert answer.status < 500

    def log_in(self, who: str) -> None:
        """Log in by an e-mail, or as one of STAFF by the role."""
        self.open("/console/")
        self.page.get_by_label("E-mail").fill(STAFF.get(who, who))
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(re.compile(r"/console/(?!login)"))

    def bear_with_refusals(self) -> None:
        """Leave out that pages were refused, where they were to be."""
        self.complaints[:] = [said for said in self.complaints if not said.startswith(REFUSED)]

    def picture(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


@contextmanager
def visitor(site: Site, browser: Browser, **options: Any) -> Iterator[Visitor]:
    """Somebody at a window of their own; they must have had nothing to complain of."""
    context = browser.new_context(**options)
    complaints: list[str] = []
    context.add_init_script(TELLS_OF_VIOLATIONS)
    page = context.new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    context.on("request", lambda asked: complaints.extend(strayed(site, asked.url)))
    try:
        yield Visitor(site, context, page, complaints)
        assert not complaints, complaints
    finally:
        context.close()


def strayed(site: Site, url: str) -> list[str]:
    """That a request went elsewhere than to the service."""
    is_ours = url.startswith(("data:", f"{site.url}/", f"blob:{site.url}/"))
    return [] if is_ours else [f"left the machine: {url}"]
