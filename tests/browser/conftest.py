"""Debian's Chromium, driven by Playwright, at the service as it is served."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import psycopg
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.site import Connection, Site, Visitor, visitor
from tests.conftest import migrate
from tests.servers import TestServers
from tests.serving import served

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
# It speaks to nobody but us; as root, and in most containers, it has no sandbox to be in.
QUIETLY = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)

Visit = Callable[..., AbstractContextManager[Visitor]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("No Chromium is installed; on Debian and Ubuntu: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIETLY])
        yield started
        started.close()


@pytest.fixture(scope="session")
def site(servers: TestServers, environ: dict[str, str], worker_number: int) -> Iterator[Site]:
    """On a database of its own, which nobody empties meanwhile."""
    if CHROMIUM is None:
        pytest.skip("No Chromium is installed; on Debian and Ubuntu: apt-get install chromium")
    url = servers.create_database(f"browser_{worker_number}_test")
    migrate(url)
    with served({**environ, "DATABASE_URL": url}, workers=1) as service:
        site = Site(service, url)
        site.furnish()
        yield site


@pytest.fixture
def sql(site: Site) -> Iterator[Connection]:
    with psycopg.connect(site.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def visit(site: Site, browser: Browser) -> Visit:
    return partial(visitor, site, browser)
