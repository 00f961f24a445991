"""Imports over HTTP: what is taken in, what is told of it, and what is refused whole."""

import gzip
import io
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.models import Role
from tests.attacks import fingerprint, refusal
from tests.credentials import execute, key_holder
from tests.factories import Caller
from tests.importing import BOM, NO_TEXT, TAKEN, carry_on, customers, lines, names

PATH = "/customers/imports"
SHAPE = [
    *("id", "status", "filename", "dry_run", "total_lines", "processed", "created", "rejected"),
    *("lines_per_second", "seconds_left", "created_by", "created_at", "started_at", "finished_at"),
]
KEY = {"Idempotency-Key": "the file of January"}
BOUNDARY = "a-boundary"
GOOD = b"crm-1,100.00\n"
A_FILE = 'form-data; name="file"; filename="customers.csv"'
PARTS = {
    "without a name": "form-data",
    "with an empty name": 'form-data; name=""',
    "that is no file": 'form-data; name="file"',
    "of another name": 'form-data; name="dry_run"',
}


def part(disposition: str, content: bytes = GOOD) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n"
    return f"{head}Content-Type: text/csv\r\n\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join((*parts, f"--{BOUNDARY}--\r\n".encode()))


def send(caller: Caller, content: str | bytes = GOOD, **how: Any) -> TestResponse:
    """The file, as any client would send it."""
    content = content.encode() if isinstance(content, str) else content
    named = f'form-data; name="file"; filename="{how.pop("filename", "customers.csv")}"'
    return send_raw(caller, form(part(named, content)), **how)


def send_raw(caller: Caller, body: bytes | Iterator[bytes], **how: Any) -> TestResponse:
    """A form as it is written here; without a length, as gunicorn hands it over, if it is none."""
    media = how.pop("content_type", f"multipart/form-data; boundary={BOUNDARY}")
    environ: dict[str, Any] = {"CONTENT_TYPE": media}  # or the client would make a form of its own
    path = how.pop("path", PATH)
    if not isinstance(body, bytes):
        environ |= {"wsgi.input": Stream(body), "wsgi.input_terminated": True}
        how["headers"] = {"Transfer-Encoding": "chunked", **how.get("headers", {})}
    else:
        how["data"] = body
    answer: TestResponse = caller.post(path, environ_overrides=environ, **how)
    return answer


class Stream(io.RawIOBase):
    """Bytes as they come, which nobody holds all of."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        self._rest = self._rest or next(self._pieces, b"")
        given, self._rest = self._rest[: len(into)], self._rest[len(into) :]
        into[: len(given)] = given
        return len(given)


def done(app: Flask, caller: Caller, content: str | bytes, **how: Any) -> dict[str, Any]:
    """The record of an import that is over."""
    sent = send(caller, content, **how)
    assert sent.status_code == 202, sent.get_data(as_text=True)
    carry_on(app, sent.json["id"])
    return dict(caller.get(sent.headers["Location"]).json)


def errors(caller: Caller, record: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    answer = caller.get(f"{PATH}/{record['id']}/errors{query}")
    assert answer.status_code == 200
    return list(answer.json)


def blamed(answer: TestResponse, status: int) -> list[str]:
    """The fields that a refusal of that status names."""
    assert refusal(answer) == status, answer.get_data(as_text=True)[:300]
    return list(answer.json.get("errors", {}))


def unread() -> Iterator[bytes]:
    raise AssertionError
    yield b""


@pytest.fixture
def unchanged(app: Flask, officer: Caller, applicant: Caller) -> Iterator[None]:
    """Not a row of the business is another than before."""
    before = fingerprint(app)
    yield
    assert fingerprint(app) == before


def test_a_file_is_answered_at_once_and_its_record_tells_how_far_it_is(
    app: Flask, officer: Caller
) -> None:
    answer = send(officer, lines(names("crm", 3)), filename="January.csv")
    assert answer.status_code == 202
    record = answer.json
    assert list(record) == SHAPE
    assert answer.headers["Location"] == f"{PATH}/{record['id']}"
    assert (record["status"], record["filename"]) == ("QUEUED", "January.csv")
    figures = ("total_lines", "processed", "created", "rejected", "dry_run")
    assert [record[name] for name in figures] == [3, 0, 0, 0, False]
    assert (record["created_by"], record["started_at"], record["finished_at"]) == (
        *(officer.id, None, None),
    )
    assert (record["lines_per_second"], record["seconds_left"]) == (None, None)
    assert officer.get(answer.headers["Location"]).json == record
    assert customers(app) == []


def test_what_has_come_of_a_file_is_told_with_each_line_that_was_refused(
    app: Flask, officer: Caller
) -> None:
    officer.make_customer(external_id="there")
    content = (
        "external_id,credit_limit,preapproved_at\r\n"
        "crm-1,100.00\r\n"
        'crm-2,"1,000.00"\r\n'
        "\r\n"
        "there,1.00\r\n"
        "crm-1,200.00,2026-01-31T09:30:00+02:00\r\n"
        "crm-3,0.5,2026-01-31T09:30:00+02:00\r\n"
        "crm-4\r\n"
        '"crm-5,1.00\r\n'
        "imports,-1,2026-04-31T00:00:00Z\r\n"
    )
    record = done(app, officer, content)
    figures = ("status", "total_lines", "processed", "created", "rejected", "seconds_left")
    assert [record[name] for name in figures] == ["COMPLETED", 8, 8, 2, 6, 0]
    assert record["created_at"] <= record["started_at"] <= record["finished_at"]
    assert record["lines_per_second"] > 0
    amount = "Must be an amount of at most 999999999999.99, with at most two decimals, as digits."
    word = "Must not be a word of the paths or look like an id."
    moment = "Must be a moment with its offset, like 2026-01-31T09:30:00Z."
    assert [(each["line"], each["value"], each["reason"]) for each in errors(officer, record)] == [
        (3, "crm-2,1,000.00", f"credit_limit: {amount}"),
        (5, "there,1.00", TAKEN),
        (6, "crm-1,200.00,2026-01-31T09:30:00+02:00", TAKEN),
        (
            *(8, "crm-4"),
            "Must have two fields or three: external_id, credit_limit, preapproved_at.",
        ),
        (9, '"crm-5,1.00', "Must close its quotes, as CSV has it."),
        (
            *(10, "imports,-1,2026-04-31T00:00:00Z"),
            f"external_id: {word}; credit_limit: {amount}; preapproved_at: {moment}",
        ),
    ]
    made = officer.get("/customers/crm-3").json
    assert (made["credit_limit"], made["preapproved_at"]) == ("0.50", "2026-01-31T07:30:00Z")
    assert (made["status"], made["created_by"], made["email"]) == ("ACTIVE", officer.id, None)
    assert officer.get("/customers/crm-1").json["credit_limit"] == "100.00"


def test_reasons_are_those_of_a_request_to_create_the_customer(app: Flask, admin: Caller) -> None:
    """Word for word, field by field."""
    for external_id, credit_limit, preapproved_at in (
        ("a/b", "1.005", "yesterday"),
        ("", "", "2026-01-31"),
        ("x" * 61, "1e3", "2026-01-31T09:30:00"),
    ):
        record = done(app, admin, f"{external_id},{credit_limit},{preapproved_at}\n")
        (line,) = errors(admin, record)
        body = {
            "external_id": external_id,
            "credit_limit": credit_limit,
            "preapproved_at": preapproved_at,
        }
        told = admin.post("/customers/", body).json["errors"]
        assert line["reason"] == "; ".join(f"{name}: {told[name][0]}" for name in body)


def test_a_dry_run_tells_the_same_and_creates_nobody(app: Flask, officer: Caller) -> None:
    content = lines([*names("crm", 5), "crm-1", "a/b"])
    tried = done(app, officer, content, path=f"{PATH}?dry_run=true")
    assert customers(app) == []
    made = done(app, officer, content, path=f"{PATH}?dry_run=false")
    figures = ("status", "total_lines", "processed", "created", "rejected")
    assert [tried[name] for name in figures] == [made[name] for name in figures]
    assert (tried["dry_run"], made["dry_run"], tried["created"]) == (True, False, 5)
    assert errors(officer, tried) == errors(officer, made)
    assert len(customers(app)) == 5


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("=HYPERLINK(1),1.005", "'=HYPERLINK(1),1.005"),
        ("+1,1.005", "'+1,1.005"),
        ("-1,1.005", "'-1,1.005"),
        ("@SUM,1.005", "'@SUM,1.005"),
        ("\x1b[31mred,1", "\ufffd[31mred,1"),
        ("\ta,1", "\ufffda,1"),
        ("a\u2028b,1", "a\ufffdb,1"),
        ("a\x1fb,1", "a\ufffdb,1"),
        ("<script>,1", "<script>,1"),
        (f"{'é' * 300},1", "é" * 200),
        ("x" * 1_001, "x" * 200),
    ],
)
def test_a_value_is_shown_so_that_no_program_runs_it(
    app: Flask, officer: Caller, line: str, shown: str
) -> None:
    record = done(app, officer, f"{line},x\n" if "<" in line else f"{line}\n")
    (told,) = errors(officer, record)
    assert told["value"].removesuffix(",x") == shown


def test_an_import_is_shown_to_any_of_the_staff_and_to_nobody_else(
    app: Flask, admin: Caller, officer: Caller, applicant: Caller
) -> None:
    for caller in (admin, officer, key_holder(admin, Role.OFFICER)):
        record = send(caller).json
        assert admin.get(f"{PATH}/{record['id']}").json == record
        for path in (f"/{record['id']}", f"/{record['id']}/errors", ""):
            assert officer.get(PATH + path).status_code == 200
            assert refusal(applicant.get(PATH + path)) == 403
            assert refusal(Caller(app).get(PATH + path)) == 401


def test_an_applicants_file_is_not_read(applicant: Caller, unchanged: None) -> None:
    assert blamed(send_raw(applicant, unread()), 403) == []


def test_a_client_without_a_credential_is_not_read(app: Flask, unchanged: None) -> None:
    assert blamed(send_raw(Caller(app), unread()), 401) == []


def test_the_query_is_looked_at_before_the_file(officer: Caller, unchanged: None) -> None:
    for query in ("dry_run=yes", "dry_run=1", "dry_run=", "dry_run=true&dry_run=true"):
        assert blamed(send(officer, path=f"{PATH}?{query}"), 422) == ["dry_run"]
    assert blamed(send(officer, b"\0", path=f"{PATH}?dryrun=true"), 422) == ["dryrun"]


@pytest.mark.parametrize("content", NO_TEXT.values(), ids=NO_TEXT)
def test_what_is_no_text_in_utf_8_is_refused_whole(
    officer: Caller, unchanged: None, content: bytes
) -> None:
    assert blamed(send(officer, content), 422) == ["file"]
    assert blamed(send(officer, lines(names("crm", 20_000)).encode() + content), 422) == ["file"]


@pytest.mark.parametrize("content", [b"", b"\n\n", BOM, b"external_id,credit_limit\r\n"])
def test_a_file_without_a_line_is_refused(officer: Caller, unchanged: None, content: bytes) -> None:
    assert blamed(send(officer, content), 422) == ["file"]


@pytest.mark.parametrize(
    "content",
    [
        BOM + b"external_id,credit_limit\r\ncrm-1,1.00\r\ncrm-2,2.00\r\n",
        b"crm-1,1.00\ncrm-2,2.00",
        b'\r\n"crm-1","1.00"\r\n\r\n"crm-2","2.00",""\r\n',
    ],
)
def test_a_file_is_read_whatever_program_wrote_it(
    app: Flask, officer: Caller, content: bytes
) -> None:
    record = done(app, officer, content)
    assert (record["created"], record["rejected"]) == (2, 0)
    assert [name for name, *_ in customers(app)] == ["crm-1", "crm-2"]


def test_a_line_of_ten_megabytes_is_refused_and_the_others_are_not(
    app: Flask, officer: Caller
) -> None:
    record = done(app, officer, b"crm-1,1.00\n" + b"x" * 10_000_000 + b"\ncrm-2,2.00\n")
    (line,) = errors(officer, record)
    assert (line["line"], len(line["value"])) == (2, 200)
    assert line["reason"] == "Must have at most 1,000 characters."
    assert record["created"] == 2


@pytest.mark.parametrize(
    ("filename", "kept"),
    [
        ("../../../etc/passwd", "passwd"),
        ("/etc/customers.csv", "customers.csv"),
        ("a\x1b[31m.csv", "a[31m.csv"),
        ("日本.csv", "日本.csv"),
        ("x" * 1_000, "x" * 255),
    ],
)
def test_a_filename_leads_nowhere(officer: Caller, filename: str, kept: str) -> None:
    assert send(officer, filename=filename).json["filename"] == kept


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_part_that_is_no_file_of_that_name_is_refused(
    officer: Caller, unchanged: None, name: str, is_first: bool
) -> None:
    """Wherever it stands; and it does not become a part of the file."""
    other, file = part(PARTS[name], b"crm-2,2.00\n"), part(A_FILE)
    body = form(other, file) if is_first else form(file, other)
    (named,) = blamed(send_raw(officer, body), 422)
    assert named in ("", "file", "dry_run")


@pytest.mark.parametrize("other", ['; name="other"', '; name=""', ""])
def test_a_file_of_another_name_is_refused(officer: Caller, unchanged: None, other: str) -> None:
    disposition = f'form-data{other}; filename="a.csv"'
    name = other.removeprefix('; name="').removesuffix('"')
    for parts in ((disposition,), (A_FILE, disposition)):
        answer = send_raw(officer, form(*map(part, parts)))
        assert blamed(answer, 422) == [name]


def test_two_files_are_refused(officer: Caller, unchanged: None) -> None:
    answer = send_raw(officer, form(part(A_FILE), part(A_FILE)))
    assert blamed(answer, 422) == ["file"]
    assert answer.json["errors"] == {"file": ["Must be given once."]}


def test_a_form_without_a_part_is_refused(officer: Caller, unchanged: None) -> None:
    assert blamed(send_raw(officer, form()), 422) == ["file"]


BROKEN = {
    "nothing": b"",
    "no boundary": GOOD,
    "another boundary": form(part(A_FILE)).replace(BOUNDARY.encode(), b"another"),
    "no end": part(A_FILE),
    "an end in the middle of the file": part(A_FILE)[:-8],
    "an end in the middle of a head": part(A_FILE)[:40],
    "no disposition": b"--a-boundary\r\nContent-Type: text/csv\r\n\r\na,1\r\n--a-boundary--\r\n",
    "a head not in UTF-8": form(part(A_FILE).replace(b"customers", b"\xff")),
    "a preamble without an end": b"x" * 3_000_000,
    "a head without an end": b"--a-boundary\r\nContent-Disposition: " + b"x" * 3_000_000,
    "an epilogue without an end": form(part(A_FILE)) + b"x" * 3_000_000,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("has_length", [True, False])
def test_what_is_no_form_is_malformed(
    officer: Caller, unchanged: None, body: bytes, has_length: bool
) -> None:
    assert blamed(send_raw(officer, body if has_length else iter([body])), 400) == []


def test_a_head_of_a_megabyte_is_not_read(officer: Caller, unchanged: None) -> None:
    """It would take a second."""
    head = A_FILE + "; a=b" * 200_000
    assert blamed(send_raw(officer, form(part(head))), 400) == []


@pytest.mark.parametrize(
    "media",
    [
        *("", "text/csv", "application/json", "application/x-www-form-urlencoded"),
        *("multipart/mixed; boundary=a-boundary", "application/octet-stream"),
    ],
)
def test_a_body_of_another_type_is_not_read(officer: Caller, unchanged: None, media: str) -> None:
    assert blamed(send_raw(officer, form(part(A_FILE)), content_type=media), 415) == []


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=é", '; boundary=""'])
def test_a_form_that_names_no_boundary_is_malformed(
    officer: Caller, unchanged: None, boundary: str
) -> None:
    media = f"multipart/form-data{boundary}"
    assert blamed(send_raw(officer, form(part(A_FILE)), content_type=media), 400) == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity", "zstd"])
def test_a_packed_body_is_not_unpacked(officer: Caller, unchanged: None, encoding: str) -> None:
    body = gzip.compress(form(part(A_FILE)))
    assert blamed(send_raw(officer, body, headers={"Content-Encoding": encoding}), 415) == []


def test_a_file_without_a_length_is_taken_in_as_it_comes(app: Flask, officer: Caller) -> None:
    body = form(part(A_FILE, lines(names("crm", 30_000)).encode()))
    pieces = (body[at : at + 1_000] for at in range(0, len(body), 1_000))
    answer = send_raw(officer, pieces)
    assert (answer.status_code, answer.json["total_lines"]) == (202, 30_000)


@pytest.fixture
def tight(make_app: Callable[..., Flask], officer: Caller) -> Caller:
    """Where a file may have ten bytes."""
    return Caller(make_app(MAX_IMPORT_BYTES="10"), officer.headers, officer.user)


def test_a_file_one_byte_above_the_limit_is_too_large(tight: Caller, unchanged: None) -> None:
    for content in (b"crm-1,1.000", b"a,1\nb,2\nc,3\n", b"x" * 5_000_000):
        assert blamed(send(tight, content), 413) == [], len(content)
        body = form(part(A_FILE, content))
        assert blamed(send_raw(tight, iter([body])), 413) == [], len(content)


def test_a_file_of_just_the_limit_is_taken(make_app: Callable[..., Flask], officer: Caller) -> None:
    tight = Caller(make_app(MAX_IMPORT_BYTES="10"), officer.headers, officer.user)
    assert send(tight, b"crm-1,1.00").status_code == 202


def test_a_part_that_never_ends_is_too_large(
    make_app: Callable[..., Flask], officer: Caller, unchanged: None
) -> None:
    """After megabytes of it had been kept, none of which is left."""
    app = make_app(MAX_IMPORT_BYTES="5000000")
    body = chain([part(A_FILE)[:-2]], repeat(b"crm,1.00\n" * 10_000))
    assert blamed(send_raw(Caller(app, officer.headers, officer.user), body), 413) == []


def test_a_key_answers_for_the_file_that_first_came_with_it(app: Flask, officer: Caller) -> None:
    first = send(officer, headers=KEY)
    carry_on(app, first.json["id"])
    after = fingerprint(app)
    again = send(officer, headers=KEY)
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    for how in (
        {"content": b"crm-1,100.01\n"},
        {"filename": "February.csv"},
        {"path": f"{PATH}?dry_run=true"},
    ):
        refused = send(officer, headers=KEY, **how)
        assert (refusal(refused), refused.json["code"]) == (422, "idempotency-key-reused")
    assert fingerprint(app) == after
    assert execute(app, "SELECT count(*) FROM customer_imports")[0] == 1


def test_a_key_is_good_for_a_file_sent_in_another_form(officer: Caller) -> None:
    """With another boundary, in other pieces."""
    first, body = send(officer, headers=KEY), form(part(A_FILE))
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))
    assert send_raw(officer, pieces, headers=KEY).data == first.data


def test_a_file_that_was_refused_may_come_again_mended_with_the_same_key(officer: Caller) -> None:
    assert refusal(send(officer, b"\0", headers=KEY)) == 422
    assert send(officer, headers=KEY).status_code == 202


def test_what_is_no_key_is_refused(officer: Caller, unchanged: None) -> None:
    assert blamed(send(officer, headers={"Idempotency-Key": "x" * 256}), 400) == []


def test_one_file_sent_at_once_with_one_key_is_imported_once(
    app: Flask, officer: Caller, in_parallel: Callable[..., list[TestResponse]]
) -> None:
    answers = in_parallel(*[lambda: send(officer, headers=KEY)] * 5)
    assert {answer.status_code for answer in answers} <= {202, 409}
    taken = {answer.data for answer in answers if answer.status_code == 202}
    assert len(taken) == 1
    assert execute(app, "SELECT count(*) FROM customer_imports")[0] == 1


def test_one_file_sent_twice_at_once_is_imported_twice_and_creates_each_customer_once(
    app: Flask, officer: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    content = lines(names("crm", 200))
    first, second = in_parallel(*[lambda: done(app, officer, content)] * 2)
    assert first["created"] + second["created"] == len(customers(app)) == 200
    assert first["rejected"] + second["rejected"] == 200
    assert first["processed"] == second["processed"] == 200


def test_imports_are_listed_newest_first_and_their_lines_in_order(
    app: Flask, officer: Caller
) -> None:
    first, second = (done(app, officer, lines(["a/b"] * number)) for number in (2, 30))
    assert [each["id"] for each in officer.get(PATH).json] == [second["id"], first["id"]]
    page = officer.get(f"{PATH}/{second['id']}/errors?page=2")
    assert [each["line"] for each in page.json] == list(range(21, 31))
    assert page.headers["X-Total-Count"] == "30"
    assert [each["line"] for each in errors(officer, first)] == [1, 2]


def test_an_import_that_is_not_there_is_not_found(officer: Caller) -> None:
    for path in (f"{PATH}/{officer.id}", f"{PATH}/{officer.id}/errors"):
        answer = officer.get(path)
        assert (refusal(answer), answer.json["code"]) == (404, "import-not-found")


def test_no_customer_is_called_as_the_path_of_imports(officer: Caller) -> None:
    assert refusal(officer.post("/customers/", {"external_id": "imports"})) == 422
    assert officer.get(PATH).json == []
    for method in (officer.patch, officer.delete):
        answer = method(PATH)
        assert refusal(answer) == 405
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    for path in ("/customers/imports/balance", "/customers/imports/account"):
        assert refusal(officer.get(path)) == 404


def test_a_cursor_may_tell_of_a_line_that_no_file_has(app: Flask, officer: Caller) -> None:
    """Nobody made it here, and it is harmless."""
    record = done(app, officer, "a/b,1\n")
    for line in (2**31, 2**62, -(2**62)):
        told = json.dumps(["customer_import_errors", True, line], separators=(",", ":"))
        cursor = urlsafe_b64encode(told.encode()).rstrip(b"=").decode()
        assert errors(officer, record, f"?cursor={cursor}") == [
            *(each for each in errors(officer, record) if line < 0)
        ]
