"""A file of customers, imported while one watches, and looked up in the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from playwright.sync_api import FilePayload, Page

from app.local.processes import wait_until
from tests.browser.axe import SCHEMES, WINDOWS, faults
from tests.browser.conftest import Visit
from tests.browser.site import Connection, Site, one, told
from tests.importing import lines, names
from tests.serving import PATIENCE

# The bar while its page asks how far it is, and once there is nothing more to ask.
MOVING, AT_REST = "#progress[hx-get] #bar:not([value='0'])", "#progress:not([hx-get]) #bar"
LOOKED_UP = "SELECT status, is_dry_run, total_lines FROM customer_imports WHERE id = %s"
CREATED = "SELECT count(*) FROM customers WHERE external_id LIKE 'watched-%%'"
BETWEEN = """
INSERT INTO customers (id, external_id, status, created_by, created_at, updated_at, version)
VALUES (gen_random_uuid(), %s, 'ACTIVE', gen_random_uuid(), now(), now(), 1)
"""
# Of several chunks, so that some are done before the last one, and of few who are created.
LINES = "=cmd,much\n" + lines(names("bad", 25_000), "much") + lines(names("watched", 4))


def file(content: str, name: str) -> FilePayload:
    return {"name": name, "mimeType": "text/csv", "buffer": content.encode()}


def send(page: Page, what: str, sent: FilePayload) -> str:
    """By the form; the id of the import whose page opens."""
    if not page.get_by_label("File").is_visible():
        page.get_by_text("Import customers from a file").click()
    page.get_by_label("What to do").select_option(label=what)
    page.get_by_label("File").set_input_files(sent)
    page.get_by_role("button", name="Send").click()
    page.locator("#bar").wait_for()
    return page.url.rpartition("/")[2]


@contextmanager
def held_up(site: Site, external_id: str) -> Iterator[None]:
    """Nobody can create that customer meanwhile, and will be able to afterwards."""
    with psycopg.connect(site.database_url) as connection:
        connection.execute(BETWEEN, (external_id,))
        yield
        connection.rollback()


def test_an_import_with_a_live_bar(visit: Visit, site: Site, sql: Connection) -> None:
    found: list[str] = []
    with visit(viewport=WINDOWS["desk"]) as guest:
        page = guest.page
        guest.log_in("officer")
        page.get_by_role("link", name="Imports").first.click()
        dry = send(page, "Check every line, create nobody (dry run)", file(LINES, "dry.csv"))
        page.locator(AT_REST).wait_for()
        assert "nobody was created. 4 customers would be" in told(page)
        assert one(sql, LOOKED_UP, dry) == ("COMPLETED", True, 25_005)
        assert one(sql, CREATED) == (0,)

        page.get_by_role("link", name="Imports").first.click()
        with held_up(site, "watched-3"):
            real = send(page, "Create the customers", file(LINES, "watched.csv"))
            page.locator(MOVING).wait_for()
            assert "RUNNING" in page.locator("#progress").inner_text()
            before = int(page.locator("#bar").get_attribute("value") or 0)
            for size in WINDOWS.values():
                page.set_viewport_size(size)  # type: ignore[arg-type]
                for scheme in SCHEMES:
                    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                    found += faults(page)
            guest.picture("an import under way")
        page.locator(AT_REST).wait_for()
        page.get_by_role("cell", name="=cmd,much").wait_for()
        assert 0 < before < int(page.locator("#bar").get_attribute("value") or 0) == 25_005
        assert "4 customers created" in told(page)
        assert one(sql, LOOKED_UP, real) == ("COMPLETED", False, 25_005)
        assert one(sql, CREATED) == (4,)
        refused = "SELECT count(*), min(line) FROM customer_import_errors WHERE import_id = %s"
        assert one(sql, refused, real) == (25_001, 1)
        found += faults(page)
        guest.picture("an import that has ended")

        with page.expect_download() as saving:
            page.get_by_role("link", name="Export as CSV").click()
        saved = saving.value.path().read_text().splitlines()
        assert saved[1].startswith('1,"\'=cmd,much",')
        assert len(saved) == 1 + 25_001
    assert found == []


def test_a_file_that_cannot_be_read_is_told_of_on_its_form(visit: Visit, sql: Connection) -> None:
    number = "SELECT count(*) FROM customer_imports"
    with visit(viewport=WINDOWS["phone"]) as guest:
        page = guest.page
        guest.log_in("officer")
        guest.open("/console/imports/")
        before = one(sql, number)
        page.get_by_text("Import customers from a file").click()
        sixteen: FilePayload = {
            "name": "a.csv",
            "mimeType": "text/csv",
            "buffer": "a,1".encode("utf-16"),
        }
        page.get_by_label("File").set_input_files(sixteen)
        page.get_by_role("button", name="Send").click()
        page.get_by_text("a spreadsheet saves it as").wait_for()
        assert page.get_by_label("File").get_attribute("aria-invalid") == "true"
        assert faults(page) == []
        assert one(sql, number) == before
        guest.bear_with_refusals()


def test_a_file_that_is_too_large_is_not_sent_in_vain(visit: Visit, tmp_path: Path) -> None:
    large = tmp_path / "large.csv"
    with large.open("wb") as made:
        made.truncate(256 * 1024**2 + 1)
    with visit() as guest:
        page = guest.page
        guest.log_in("officer")
        guest.open("/console/imports/")
        if not page.get_by_label("File").is_visible():
            page.get_by_text("Import customers from a file").click()
        page.get_by_label("File").set_input_files(large)
        page.get_by_role("button", name="Send").click()
        told_there = "document.getElementById('new-file').validationMessage"
        assert "at most 256.0 MiB" in page.evaluate(told_there)
        assert page.locator("form[data-sent]").count() == 0
        page.get_by_label("File").set_input_files(file("a,1", "small.csv"))
        assert page.evaluate(told_there) == ""


def test_without_script_how_far_it_is_shows_when_one_looks_again(
    visit: Visit, site: Site, sql: Connection
) -> None:
    with visit(java_script_enabled=False) as guest:
        page = guest.page
        guest.log_in("officer")
        guest.open("/console/imports/")
        with held_up(site, "unscripted"):
            send(page, "Create the customers", file("unscripted,1\n", "unscripted.csv"))
            page.get_by_role("link", name="Look again").click()
            assert "0 of 1 line" in page.locator("#found").inner_text()
        status = "SELECT status FROM customer_imports WHERE filename = 'unscripted.csv'"
        assert wait_until(lambda: one(sql, status) == ("COMPLETED",), PATIENCE)
        page.get_by_role("link", name="Look again").click()
        assert "1 of 1 line" in page.locator("#found").inner_text()
        assert page.get_by_role("link", name="Look again").count() == 0
