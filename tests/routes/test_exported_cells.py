"""What is in an export: any text, as it was, and safe to open in a spreadsheet."""

import json

import pytest
from flask import Flask

from tests.attacks import query
from tests.credentials import execute
from tests.exported import NUMBERS, RUN, in_cells, read
from tests.factories import Caller
from tests.lists import LARGEST

each_kind = pytest.mark.parametrize("path", ["/customers/", "/loans/", "/payments/"])
# What a cell is put to the test by. Nobody can send most of it, but a row may hold it.
AWKWARD = [
    *("=1+1", "+49 170", "-", "@SUM(A1)", "\t=1", "\r=1", "'=1", " =1", "a,b", 'a "b"', '"', ","),
    *(
        "a\nb",
        "a\r\nb",
        "\n",
        "\\",
        "\\N",
        "日本",
        "😀",
        "é\u0301",
        "\u2028",
        "\ufeff",
        ";",
        *("a;=1", 'a;"=1', "\uff1d1", "a\t-1"),
        "NULL",
        "x" * 200,
    ),
]


@pytest.fixture
def awkward(app: Flask, admin: Caller) -> Caller:
    """Records whose every text is awkward."""
    customer = admin.make_debt(amount="1000.00")["customer_id"]
    for number, text in enumerate(AWKWARD):
        other = admin.make_customer(external_id=f"+{number}", phone=f"+49 170 {number:04}")
        flagged = admin.make_loan(other, external_id=f"-{number}")["id"]
        admin.post(f"/loans/{flagged}/flag", {"reason": "odd"})
        paid = admin.pay(customer, "1.00", external_id=f"@{number}")["id"]
        words = {"text": text, "name": text[:100], "id": other["id"]}
        names = "UPDATE customers SET first_name = :name, last_name = :name WHERE id = :id"
        execute(app, names, **words)
        execute(app, "UPDATE loans SET purpose = :text WHERE id = :id", **words | {"id": flagged})
        admin.post(f"/payments/{paid}/reverse", {"reason": f"=HYPERLINK({number})"})
    return admin


@each_kind
def test_csv_reads_back_as_it_was_and_a_spreadsheet_runs_nothing_of_it(
    awkward: Caller, path: str
) -> None:
    records = awkward.get(path, query_string=query(page_size=LARGEST)).get_json()
    assert len(records) >= len(AWKWARD)
    found = read(awkward.get(f"{path}export"))
    assert found == [in_cells(record) for record in records]
    texts = [text for row in found for name, text in row.items() if name not in NUMBERS]
    assert not any(text.startswith(RUN) for text in texts)
    assert sum(text.startswith("'") for text in texts) > len(AWKWARD)


@each_kind
def test_json_lines_are_a_line_each_whatever_is_in_them(awkward: Caller, path: str) -> None:
    records = awkward.get(path, query_string=query(page_size=LARGEST)).get_json()
    text = awkward.get(f"{path}export", query_string="format=jsonl").get_data(as_text=True)
    assert [json.loads(line) for line in text.removesuffix("\n").split("\n")] == records


@pytest.mark.parametrize("injected", ["%", "_", "\\", "'", "' OR '1'='1"])
def test_what_is_sought_is_taken_literally(admin: Caller, injected: str) -> None:
    admin.make_customer(last_name="Plain")
    special = admin.make_customer(last_name=f"x{injected}x")
    found = read(admin.get("/customers/export", query_string=query(q=injected)))
    assert [each["id"] for each in found] == [special["id"]]
