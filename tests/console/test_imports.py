"""Files of customers at the console: taken in as over HTTP, watched, and what was refused."""

import csv
import re
from collections.abc import Callable, Iterator
from html import unescape
from io import BytesIO, StringIO
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.console.words import duration, visible
from tests.attacks import fingerprint
from tests.console.desk import Desk, seated, told
from tests.credentials import execute
from tests.factories import Caller
from tests.importing import NO_TEXT, accepted, carry_on, customers, lines, names, outcome
from tests.routes.test_imports import A_FILE, BOUNDARY, GOOD, Stream, form, part, unread

RECORD = "SELECT id, status, is_dry_run, created_by, total_lines FROM customer_imports"
RECORDED = "SELECT actor_id, address, details FROM audit_events WHERE action = :action"
NUMBER = "SELECT count(*) FROM customer_imports"
POLLED = {"HX-Request": "true"}
SMALL = part(A_FILE)


def send(desk: Desk, content: str | bytes = GOOD, **fields: Any) -> TestResponse:
    """The form as a browser sends it: the file comes last."""
    content = content.encode() if isinstance(content, str) else content
    name = fields.pop("filename", "January.csv")
    sent = {"dry_run": "false", **fields, "file": (BytesIO(content), name)}
    return desk.post("/imports/", {each: value for each, value in sent.items() if value})


def send_raw(desk: Desk, body: bytes | Iterator[bytes], **headers: str) -> TestResponse:
    """A body as it is written here, from the console's own origin."""
    environ: dict[str, Any] = {"CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}"}
    how: dict[str, Any] = {"headers": {"Origin": desk.base, **headers}}
    if isinstance(body, bytes):
        how["data"] = body
    else:
        environ |= {"wsgi.input": Stream(body), "wsgi.input_terminated": True}
        how["headers"]["Transfer-Encoding"] = "chunked"
    return desk.client.post(
        "/console/imports/", base_url=desk.base, environ_overrides=environ, **how
    )


def field(name: str, value: str) -> bytes:
    return part(f'form-data; name="{name}"', value.encode())


def path_of(answer: TestResponse) -> str:
    """The page of the import that the answer leads to, below the console."""
    assert answer.status_code == 303, answer.text
    return answer.location.removeprefix("/console")


def ended(desk: Desk, content: str | bytes, **fields: Any) -> str:
    """The page of an import that is over."""
    path = path_of(send(desk, content, **fields))
    carry_on(desk.app, path.rpartition("/")[2])  # type: ignore[arg-type]
    return path


def text_of(page: TestResponse) -> str:
    """What the page says, without its markup."""
    assert page.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text)).split())


@pytest.fixture
def unchanged(officers_desk: Desk) -> Iterator[None]:
    """Not a row of the business is another than before."""
    before = fingerprint(officers_desk.app)
    yield
    assert fingerprint(officers_desk.app) == before


@pytest.mark.parametrize("role", ["officer", "admin"])
def test_a_file_is_taken_in_and_its_page_opens(admin: Caller, officer: Caller, role: str) -> None:
    caller = {"officer": officer, "admin": admin}[role]
    assert caller.user is not None
    desk = seated(caller.app, caller.user)
    answer = send(desk, lines(names("crm", 3)))
    import_id, status, is_dry_run, created_by, total_lines = execute(caller.app, RECORD)
    assert path_of(answer) == f"/imports/{import_id}"
    assert told(desk, answer) == ["January.csv has been taken in."]
    assert (status, is_dry_run, str(created_by), total_lines) == ("QUEUED", False, caller.id, 3)
    actor_id, address, details = execute(caller.app, RECORDED, action="import.accepted")
    assert (str(actor_id), str(address)) == (caller.id, "127.0.0.1")
    assert details == {"lines": 3, "is_dry_run": False}
    carry_on(caller.app, import_id)
    assert outcome(caller.app, import_id)[:5] == ("COMPLETED", 3, 3, 3, 0)


def test_a_dry_run_creates_nobody_and_is_what_the_form_begins_with(
    officers_desk: Desk, officer: Caller
) -> None:
    assert '<option value="true" selected>' in officers_desk.get("/imports/").text
    page = officers_desk.get(ended(officers_desk, lines(names("crm", 3)), dry_run="true"))
    assert "every line is good, and nobody was created" in text_of(page)
    assert "Would be created 3" in text_of(page)
    assert customers(officer.app) == []


def test_the_list_tells_of_each_what_has_come_of_it(
    officers_desk: Desk, admins_desk: Desk, officer: Caller
) -> None:
    ended(officers_desk, "crm-1,1\nno-limit\n", filename="first.csv")
    send(officers_desk, "crm-2,1\n", filename="second.csv")
    said = text_of(officers_desk.get("/imports/"))
    assert "2 imports Imports, newest first File Status Lines Created Refused By When" in said
    assert re.search(r"second\.csv ○ QUEUED 0 of 1 0 0 you \d{4}-.* first\.csv ✓", said)
    assert "first.csv ✓ COMPLETED 2 1 1 you" in said
    assert officer.user is not None
    assert f"COMPLETED 2 1 1 {officer.user.email}" in text_of(admins_desk.get("/imports/"))


def test_a_form_that_is_sent_twice_is_done_once(officers_desk: Desk) -> None:
    first = send(officers_desk, once="a name of its own")
    again = send(officers_desk, once="a name of its own")
    assert path_of(first) == path_of(again)
    assert "That was sent twice, and done once." in told(officers_desk, again)
    assert execute(officers_desk.app, NUMBER) == (1,)


@pytest.mark.parametrize(("content", "fields"), [(b"crm-9,1\n", {}), (GOOD, {"dry_run": "true"})])
def test_another_form_by_the_same_name_is_refused(
    officers_desk: Desk, content: bytes, fields: dict[str, str]
) -> None:
    send(officers_desk, once="a name of its own")
    refused = send(officers_desk, content, once="a name of its own", **fields)
    assert refused.status_code == 409
    assert execute(officers_desk.app, NUMBER) == (1,)


FORGED = {
    "no token": SMALL,
    "another's token": field("csrf", "0" * 64) + SMALL,
    "a token after the file": SMALL + field("csrf", "{token}"),
    "a token in a file": part('form-data; name="csrf"; filename="a"', b"{token}") + SMALL,
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_without_its_token_before_the_file_nothing_is_taken_in(
    officers_desk: Desk, forged: bytes
) -> None:
    body = forged.replace(b"{token}", officers_desk.token().encode())
    assert send_raw(officers_desk, form(body)).status_code == 403


@pytest.mark.usefixtures("unchanged")
def test_a_token_in_the_address_is_none(officers_desk: Desk) -> None:
    path = f"/imports/?csrf={officers_desk.token()}"
    data = {"csrf": "", "file": (BytesIO(GOOD), "a.csv")}
    assert officers_desk.post(path, data).status_code == 403


@pytest.mark.usefixtures("unchanged")
def test_of_a_forged_form_nothing_is_read_beyond_what_stands_before_the_file(
    officers_desk: Desk,
) -> None:
    def body() -> Iterator[bytes]:
        yield field("csrf", "0" * 64) + SMALL
        yield from unread()

    assert send_raw(officers_desk, body()).status_code == 403


@pytest.mark.usefixtures("unchanged")
def test_of_a_form_from_elsewhere_nothing_is_read_at_all(officers_desk: Desk) -> None:
    headers = {"Origin": "https://elsewhere.example", "X-CSRF-Token": officers_desk.token()}
    assert send_raw(officers_desk, unread(), **headers).status_code == 403


@pytest.mark.usefixtures("unchanged")
def test_the_fields_are_looked_at_before_the_file(officers_desk: Desk) -> None:
    def body() -> Iterator[bytes]:
        yield field("csrf", officers_desk.token()) + field("dry_run", "perhaps") + SMALL
        yield from unread()

    refused = send_raw(officers_desk, body())
    assert refused.status_code == 422
    assert "Must be true or false." in unescape(refused.text)


LARGE = {
    "a long field": field("csrf", "0" * 100_000),
    "a field without an end": field("csrf", "0" * 2_000_000),
    "many fields": b"".join(field("csrf", "0") for _ in range(11)),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("before", LARGE.values(), ids=LARGE)
def test_what_stands_before_the_file_is_short(officers_desk: Desk, before: bytes) -> None:
    headers = {"X-CSRF-Token": officers_desk.token()}
    refused = send_raw(officers_desk, form(before + SMALL), **headers)
    assert refused.status_code == 413


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (b"", "Missing data for required field."),
        (part('form-data; name="file"; filename=""', b""), "Must hold at least one line."),
        (part('form-data; name="other"; filename="a"'), ""),
        (field("status", "COMPLETED") + SMALL, ""),
        (field("dry_run", "true") + field("dry_run", "false") + SMALL, "Must be given once."),
        (SMALL + SMALL, "Must be given once."),
        (SMALL + field("dry_run", "true"), ""),
    ],
)
def test_a_form_that_the_page_does_not_have_is_refused_whole(
    officers_desk: Desk, parts: bytes, reason: str
) -> None:
    refused = send_raw(officers_desk, form(field("csrf", officers_desk.token()) + parts))
    assert refused.status_code == 422
    assert reason in refused.text


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/csv"])
def test_what_is_no_form_with_a_file_is_refused(officers_desk: Desk, kind: str) -> None:
    headers = {"X-CSRF-Token": officers_desk.token(), "Origin": officers_desk.base}
    refused = officers_desk.client.post(
        "/console/imports/",
        data=GOOD,
        content_type=kind,
        headers=headers,
        base_url=officers_desk.base,
    )
    assert refused.status_code == 415


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("content", NO_TEXT.values(), ids=NO_TEXT)
def test_what_is_no_text_is_refused_and_one_is_told_what_to_do(
    officers_desk: Desk, content: bytes
) -> None:
    refused = send(officers_desk, content)
    assert refused.status_code == 422
    assert "Must be text" in refused.text
    assert "a spreadsheet saves it as “CSV UTF-8”" in refused.text
    assert '<option value="false" selected>' in refused.text


def test_what_is_too_large_is_refused_and_one_is_told_what_to_do(
    make_app: Callable[..., Flask], officer: Caller
) -> None:
    assert officer.user is not None
    desk = seated(make_app(MAX_IMPORT_BYTES="50000"), officer.user)
    assert "up to 48.8 KiB" in desk.get("/imports/").text
    before = fingerprint(desk.app)
    refused = send(desk, b"crm-1,1\n" * 6_251)
    assert refused.status_code == 413
    assert "split into several" in refused.text
    assert fingerprint(desk.app) == before
    assert send(desk, b"crm-1,1\n" * 6_250).status_code == 303


def test_a_file_may_be_larger_than_any_other_form(officers_desk: Desk) -> None:
    large = part(A_FILE, lines(names("crm", 200_000)).encode())
    body = form(field("csrf", officers_desk.token()) + large)
    assert send_raw(officers_desk, body).status_code == 303


def test_while_it_is_worked_on_its_page_asks_how_far_it_is(
    app: Flask, officers_desk: Desk, officer: Caller
) -> None:
    import_id = accepted(app, officer, lines(names("crm", 20_000)))
    page = officers_desk.get(f"/imports/{import_id}")
    asking = f'hx-get="/console/imports/{import_id}/progress" hx-trigger="every 1s"'
    assert asking in page.text
    assert "0 of 20,000 lines" in text_of(page)
    assert "It waits to be taken up" in text_of(page)

    stops = iter([False, False, True])
    carry_on(app, import_id, should_stop=lambda: next(stops, True))
    polled = officers_desk.get(f"/imports/{import_id}/progress", headers=POLLED)
    bar = re.search(r'<progress id="bar" max="20000" value="(\d+)"', polled.text)
    assert bar
    assert 0 < int(bar[1]) < 20_000
    assert re.search(r"of 20,000 lines, [\d,]+ a second, about \d+ s left", text_of(polled))
    assert asking in polled.text
    assert "HX-Trigger" not in polled.headers
    assert "<html" not in polled.text

    carry_on(app, import_id)
    last = officers_desk.get(f"/imports/{import_id}/progress", headers=POLLED)
    assert 'max="20000" value="20000"' in last.text
    assert "hx-get" not in last.text
    assert last.headers["HX-Trigger"] == "import-ended"
    assert 'hx-trigger="import-ended from:body"' in page.text
    assert "20,000 customers created, and no line refused." in text_of(last)


@pytest.mark.parametrize(
    ("status", "is_dry_run", "advice"),
    [
        ("QUEUED", False, "tell whoever runs the service that nobody works on imports"),
        ("RUNNING", False, "You may leave this page"),
        ("FAILED", False, "What was created stays. Tell whoever runs the service, then send"),
        ("FAILED", True, "Nobody was created. Tell whoever runs the service, then send"),
        ("COMPLETED", False, "1 customer created. Put the refused lines right"),
        ("COMPLETED", True, "nobody was created. 1 customer would be."),
    ],
)
def test_each_state_says_what_to_do_next(
    officers_desk: Desk, status: str, is_dry_run: bool, advice: str
) -> None:
    path = ended(officers_desk, "crm-1,1\nno-limit\n", dry_run=str(is_dry_run).lower())
    execute(officers_desk.app, "UPDATE customer_imports SET status = :status", status=status)
    assert advice in text_of(officers_desk.get(path))


def test_opened_by_itself_a_piece_of_the_page_leads_to_the_page(officers_desk: Desk) -> None:
    path = path_of(send(officers_desk))
    assert path_of(officers_desk.get(f"{path}/progress")) == path


def test_a_session_that_has_ended_meanwhile_leads_back_to_the_page(officer: Caller) -> None:
    assert officer.user is not None
    desk = seated(officer.app, officer.user)
    path = path_of(send(desk))
    desk.post("/logout")
    polled = desk.get(f"{path}/progress", headers=POLLED)
    assert (polled.status_code, polled.data) == (204, b"")
    assert polled.headers["HX-Redirect"] == f"/console/login?next=/console{path}/progress"


def test_the_lines_that_were_refused_are_paged_in_the_files_order(officers_desk: Desk) -> None:
    content = "".join(f"bad-{at},much\n" for at in range(5)) + "good,1\n"
    path = ended(officers_desk, content)
    found: list[str] = []
    page = officers_desk.get(f"{path}?page_size=2")
    assert "5 lines, page 1 of 3" in text_of(page)
    for _ in range(3):
        found += re.findall(
            r'class="number">(\d+)</th><td class="wrap code">(bad-\d),much', page.text
        )
        if there := re.search(r'<a href="([^"]+)" rel="next"', page.text):
            page = officers_desk.get(unescape(there[1]).removeprefix("/console"))
    assert found == [(str(at + 1), f"bad-{at}") for at in range(5)]
    assert "page 3 of 3" in text_of(page)
    assert "credit_limit: Must be an amount" in text_of(page)
    assert officers_desk.get(f"{path}?cursor=another").status_code == 422


def test_all_of_them_are_saved_as_a_file_that_no_spreadsheet_runs(
    officers_desk: Desk, officer: Caller
) -> None:
    formulas = "".join(f'"=HYPERLINK({at})",much\n' for at in range(150))
    ended(officers_desk, "another,much\n")
    path = ended(officers_desk, formulas + "good,1\n")
    file = officers_desk.get(f"{path}/errors/export")
    assert (file.status_code, file.mimetype) == (200, "text/csv")
    assert file.headers["Content-Disposition"] == 'attachment; filename="import-errors.csv"'
    rows = list(csv.DictReader(StringIO(file.text)))
    assert [row["line"] for row in rows] == [str(at) for at in range(1, 151)]
    assert {row["value"] for row in rows} == {f"'=HYPERLINK({at}),much" for at in range(150)}
    assert all(row["reason"].startswith("credit_limit: ") for row in rows)
    actor_id, address, details = execute(officer.app, RECORDED, action="import-errors.exported")
    assert (str(actor_id), str(address)) == (officer.id, "127.0.0.1")
    assert details == {"filters": {"import_id": path.rpartition("/")[2]}}


def test_an_import_that_there_is_not_is_not_found(officers_desk: Desk) -> None:
    nowhere = "/imports/00000000-0000-7000-8000-000000000000"
    for path in (nowhere, f"{nowhere}/progress", f"{nowhere}/errors/export"):
        assert officers_desk.get(path, headers=POLLED).status_code == 404


def test_a_file_that_is_still_on_its_way_is_not_there(officers_desk: Desk) -> None:
    path = path_of(send(officers_desk))
    execute(officers_desk.app, "UPDATE customer_imports SET status = 'UPLOADING'")
    assert officers_desk.get(path).status_code == 404
    assert officers_desk.get(f"{path}/errors/export").status_code == 404
    assert "Nothing was imported yet" in officers_desk.get("/imports/").text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0, "0 s"), (0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s")),
        *((3_600, "1 h 0 min"), (3_599.7, "1 h 0 min"), (90_061, "25 h 1 min")),
    ],
)
def test_how_long_is_said_in_two_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_letter_that_turns_others_about_is_shown(officers_desk: Desk) -> None:
    path = ended(officers_desk, "a\N{RIGHT-TO-LEFT OVERRIDE}b,1\n")
    assert ">a\ufffdb,1</td>" in officers_desk.get(path).text
    assert visible("a\N{RIGHT-TO-LEFT OVERRIDE}b\x1a\tü,日") == "a\ufffdb\ufffd\ufffdü,日"
