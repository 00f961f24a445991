"""A search finds whom any reader would find, and counts them exactly, by whichever way it goes."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.errors import Invalid
from app.reading import Reading
from app.services import search
from app.services.records import CUSTOMERS
from app.services.search import Month, Walk
from tests.conftest import migrate
from tests.factories import Caller
from tests.searching import CROWD, NEW_YEAR, NOBODY, Person, add, fold, lowered, newest_first
from tests.servers import TestServers

Connection = psycopg.Connection[Any]
# Not made smaller, which would take minutes: what fails first tells enough.
UNHURRIED = settings(
    deadline=None,
    max_examples=25,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Those that one lower case has in common, those of several bytes, and what means something
# elsewhere: in patterns, in queries of letters, between fields.
LETTERS = "aAbéÉßẞİi0+@. %_\\'&|!:*-Σ漢"
TEXTS = st.none() | st.text(LETTERS, min_size=1, max_size=6)
MOMENTS = st.sampled_from(
    [NEW_YEAR, NEW_YEAR - timedelta(microseconds=1), NEW_YEAR + timedelta(days=31)]
) | st.integers(0, 70).map(lambda days: NEW_YEAR + timedelta(days=days))
PEOPLE = st.builds(
    Person,
    number=st.integers(1, 2**62),
    first_name=TEXTS,
    last_name=TEXTS,
    email=TEXTS,
    phone=TEXTS,
    external_id=st.text(LETTERS, min_size=1, max_size=6),
    status=st.sampled_from(["ACTIVE", "INACTIVE"]),
    created_at=MOMENTS,
)
CROWDS = st.lists(
    PEOPLE,
    max_size=12,
    unique_by=(
        lambda person: person.number,
        lambda person: person.external_id,
        lambda person: lowered(person.email or str(person.number)),
        lambda person: person.phone or str(person.number),
    ),
)
SOUGHT = st.text(LETTERS, min_size=1, max_size=5).filter(str.strip)
WAYS: dict[str, dict[str, int]] = {
    "as it chooses": {},
    "walking": {"GATHERED_COSTS": 10**6},
    "gathering": {"GATHERED_COSTS": 0},
    "giving walks up": {"UNEVEN": 0, "AT_LEAST": 1},
}
SIZE = 2
# A dot above is in lower case a letter of its own, where a database knows all of Unicode.
FULL_UNICODE = "TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'PG_UNICODE_FAST'"


class Asked(NamedTuple):
    """A statement that was sent, its parameters, and how PostgreSQL goes about it."""

    sql: str
    values: dict[str, Any]
    plan: str

    @property
    def way(self) -> str:
        if "search_query" in self.sql:
            return "looked up" if "count(*)" in self.sql else "gathered"
        if "search_tallies" in self.sql:
            return "tallied"
        return "walked a little" if "reach" in self.sql else "walked"


@pytest.fixture
def asked(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """What is sent from now on."""
    sent: list[Asked] = []
    rows = Reading.rows

    def sending(reading: Reading, values: Any, **kwargs: Any) -> list[Any]:
        given = {name: value for name, value in values.items() if f"%({name})s" in reading.sql}
        lines = sql.execute(f"EXPLAIN {reading.sql}", given).fetchall()
        sent.append(Asked(reading.sql, given, "\n".join(line for (line,) in lines)))
        return rows(reading, values, **kwargs)

    monkeypatch.setattr(Reading, "rows", sending)
    return sent


@pytest.fixture
def context(app: Flask, clean: None) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def crowd(context: None, sql: Connection) -> None:
    """Many enough that it matters in which way they are searched."""
    sql.execute(CROWD, [6_000])
    while fold(sql):
        pass
    sql.execute("VACUUM ANALYZE customers, search_tallies, search_changes")


def found(q: str, status: str | None = None, **given: Any) -> list[UUID]:
    """The ids of a page, and more of them than there are all told would be a mistake."""
    page = search.page_of_matches(q, **{"page": 1, "page_size": 100, "status": status, **given})
    assert len(page.items) <= page.total
    return [row.id for row in page.items]


def pages_by_number(q: str, status: str | None) -> list[UUID]:
    pages = [
        search.page_of_matches(q, page=at, page_size=SIZE, status=status) for at in range(1, 9)
    ]
    assert len({page.total for page in pages}) == 1
    assert pages[0].total == sum(len(page.items) for page in pages)
    return [row.id for page in pages for row in page.items]


def pages_by_cursor(q: str, status: str | None) -> tuple[list[UUID], list[UUID]]:
    """From the first to the last, and back again."""
    page = search.page_of_matches(q, page=1, page_size=SIZE, status=status)
    onwards = [*page.items]
    while page.after:
        page = search.page_of_matches(q, page=2, page_size=SIZE, status=status, cursor=page.after)
        onwards += page.items
    back = [*page.items]
    while page.before:
        page = search.page_of_matches(q, page=2, page_size=SIZE, status=status, cursor=page.before)
        back = [*page.items, *back]
    return [row.id for row in onwards], [row.id for row in back]


@pytest.mark.parametrize("way", WAYS)
def test_everybody_who_has_it_is_found_and_nobody_else(
    context: None, sql: Connection, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    for name, value in WAYS[way].items():
        monkeypatch.setattr(search, name, value)

    @UNHURRIED
    @given(crowd=CROWDS, folded=st.integers(0, 12), sought=st.lists(SOUGHT, min_size=2, max_size=4))
    def compare(crowd: list[Person], folded: int, sought: list[str]) -> None:
        sql.execute("TRUNCATE customers CASCADE")
        add(sql, crowd)
        fold(sql, many=max(folded, 1))
        for q in (*sought, *((each.first_name or "b")[:3] for each in crowd[:2])):
            for status in (None, "INACTIVE"):
                expected = newest_first(crowd, q, status) if q.strip() else []
                if q.strip():
                    assert pages_by_number(q, status) == expected
                    assert pages_by_cursor(q, status) == (expected, expected)

    compare()


@pytest.mark.parametrize(
    ("q", "is_found"),
    [
        ("a", True),
        ("ADA", True),
        ("a l", True),
        ("Ada Lovelace", True),
        ("@x.", True),
        ("50%", True),
        ("5_%", False),
        ("\\o'", True),
        ("&|!", True),
        (":*", True),
        ("e5", False),
        ("'+", False),
        ("*é", False),
        ("ada  l", False),
        ("éß漢", True),
        ("Éẞß", False),
        ("  ", False),
    ],
)
def test_letters_are_taken_literally_and_not_across_fields(
    context: None, sql: Connection, q: str, is_found: bool
) -> None:
    ada = Person(1, "Ada", "Lovelace", "50%@x.y\\o'", "+1 &|!:*", "Éß漢")
    add(sql, [ada, Person(2, external_id="zz")])
    assert found(q) == ([UUID(int=1)] if is_found else [])
    while fold(sql):
        assert found(q) == ([UUID(int=1)] if is_found else [])


@pytest.mark.parametrize("way", WAYS)
def test_letters_of_a_long_word_are_found_in_a_row_alone(
    context: None, sql: Connection, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    for name, value in WAYS[way].items():
        monkeypatch.setattr(search, name, value)
    add(sql, [Person(1, "abcde", external_id="1"), Person(2, "abc bcd cde", external_id="2")])
    assert found("abcde") == [UUID(int=1)]
    assert search.page_of_matches("abcde", page=1, page_size=1).total == 1


def test_what_is_renamed_changes_hands_or_leaves_is_counted_so(
    context: None, sql: Connection
) -> None:
    add(sql, [Person(number, "Ada", "One", external_id=str(number)) for number in range(1, 6)])
    for statement, those in (
        ("SELECT", {"ada": [5, 4, 3, 2, 1]}),
        ("UPDATE customers SET first_name = 'Adam' WHERE external_id = '3'", {"am ": [3]}),
        ("UPDATE customers SET last_name = NULL WHERE external_id = '3'", {"am ": [], "dam": [3]}),
        (
            "UPDATE customers SET phone = '+1 55' || external_id WHERE external_id < '3'",
            {"+1 ": [2, 1]},
        ),
        ("DELETE FROM customers WHERE external_id = '1'", {"+1 ": [2], "ada": [5, 4, 3, 2]}),
        ("UPDATE customers SET version = 7", {"ada": [5, 4, 3, 2]}),
        ("TRUNCATE customers CASCADE", {"ada": [], "a": [], "5": []}),
    ):
        sql.execute(statement)
        for _ in range(2):
            assert {q: found(q) for q in those} == {
                q: [UUID(int=number) for number in numbers] for q, numbers in those.items()
            }
            fold(sql)


def test_a_change_of_status_moves_a_customer_between_the_counts(
    context: None, sql: Connection
) -> None:
    add(sql, [Person(1, "Ada", external_id="1"), Person(2, "Ada", external_id="2")])
    for statement, active in (
        ("SELECT", 2),
        ("UPDATE customers SET status = 'INACTIVE' WHERE external_id = '1'", 1),
        ("UPDATE customers SET status = 'ACTIVE'", 2),
    ):
        sql.execute(statement)
        for _ in range(2):
            counts = [len(found("ada", status)) for status in (None, "ACTIVE", "INACTIVE")]
            assert counts == [2, active, 2 - active]
            fold(sql)


def test_an_applicant_finds_their_own_customers_alone(admin: Caller, applicant: Caller) -> None:
    theirs = applicant.make_customer(first_name="Zoë")
    admin.make_customer(first_name="Zoë", external_id="z")
    for q, ids in (("zOË", [theirs["id"]]), ("zoë b", [theirs["id"]]), ("oe", [])):
        response = applicant.get("/customers/", query_string={"q": q})
        assert [each["id"] for each in response.json] == ids
        assert response.headers["X-Total-Count"] == str(len(ids))
    assert admin.get("/customers/?q=zo%C3%AB").headers["X-Total-Count"] == "2"
    assert admin.get("/customers/?q=zo%C3%AB&external_id=z").headers["X-Total-Count"] == "1"


def test_letters_that_become_several_in_lower_case_are_found_all_the_same(
    servers: TestServers, worker_number: int, make_app: Callable[..., Flask]
) -> None:
    name = f"unicode_{worker_number}_test"
    servers.drop_database(name)
    with psycopg.connect(servers.database_url, autocommit=True) as sql:
        if sql.info.server_version < 180_000:
            pytest.skip("PostgreSQL 18 is the first with a lower case of all of Unicode built in")
        sql.execute(f"CREATE DATABASE {name} {FULL_UNICODE}")
    url = f"{servers.database_url.rpartition('/')[0]}/{name}"
    migrate(url)
    with psycopg.connect(url, autocommit=True) as sql, make_app(DATABASE_URL=url).app_context():
        add(sql, [Person(1, "İİ", external_id="1"), Person(2, "ii", external_id="2")])
        fold(sql)
        assert [found(q) for q in ("İ", "İi", "İİ", "Ii")] == [[UUID(int=1)]] * 3 + [[UUID(int=2)]]


def test_frequent_letters_are_walked_to_and_rare_ones_gathered(
    crowd: None, asked: list[Asked]
) -> None:
    for q, way in (("exa", "walked"), ("1", "walked"), ("o12", "gathered"), ("no9", "gathered")):
        asked.clear()
        found(q, page_size=20)
        assert [each.way for each in asked] == ["tallied", way], q


def test_a_walk_that_turns_out_far_longer_is_given_up(crowd: None, asked: list[Asked]) -> None:
    assert len(found("st-", page_size=20)) == 20
    assert [each.way for each in asked] == ["tallied", "walked a little", "gathered"]


def test_a_page_far_down_is_walked_to_from_its_month_on(
    crowd: None, sql: Connection, asked: list[Asked]
) -> None:
    expected = sql.execute(
        "SELECT id FROM customers ORDER BY created_at DESC, id DESC OFFSET 5000 LIMIT 20"
    ).fetchall()
    assert found("exa", page=251, page_size=20) == [id_ for (id_,) in expected]
    assert asked[-1].way == "walked"
    assert asked[-1].values["until"] == NEW_YEAR + timedelta(days=31)
    assert asked[-1].values["skipped"] < 4_000


def test_no_search_reads_all_customers(crowd: None, asked: list[Asked], sql: Connection) -> None:
    for q in ("exa", "19", "o12", "st-", "z", "first-1", "example", "zzzz"):
        for status in (None, "ACTIVE", "INACTIVE"):
            page = search.page_of_matches(q, page=1, page_size=20, status=status)
            search.page_of_matches(q, page=9, page_size=20, status=status)
            if page.after:
                after = search.page_of_matches(
                    q, page=2, page_size=20, status=status, cursor=page.after
                )
                search.page_of_matches(q, page=1, page_size=20, status=status, cursor=after.before)
    assert {each.way for each in asked} == {
        *("tallied", "looked up", "walked", "walked a little", "gathered")
    }
    for each in asked:
        assert "Seq Scan on customers" not in each.plan, each
        assert "Seq Scan on search_tallies" not in each.plan, each
        uses_letters = "ix_customers_search_vector" in each.plan
        assert uses_letters == (each.way in ("looked up", "gathered")), each


def test_a_walk_is_expected_to_be_as_long_as_matches_are_rare() -> None:
    months = [Month(None, 100, 10), Month(None, 50, 0), Month(None, 1_000, 500)]
    assert Walk(months, wanted=10).expected == 100
    assert Walk(months, wanted=5).expected == 50
    assert Walk(months, wanted=11).expected == 152
    assert Walk(months, wanted=5, skipped=6).expected == 152
    assert Walk(months, wanted=511).expected == 1_150


def test_a_walk_is_at_most_as_long_as_its_months_until_enough_match() -> None:
    months = [Month(None, 100, 10), Month(None, 50, 0), Month(None, 1_000, 500)]
    assert Walk(months, wanted=10).longest == 100
    assert Walk(months, wanted=10, skipped=1).longest == 1_150
    assert Walk(months, wanted=1, is_midway=True).longest == 1_150
    assert Walk(months[::-1], wanted=10, is_midway=True).longest == 1_150
    assert Walk(months[::-1], wanted=11, is_midway=True).longest == 1_150
    assert Walk([*months[::-1], Month(None, 7, 7)], wanted=10, is_midway=True).longest == 1_150


def test_no_applicants_search_reads_all_customers(crowd: None, asked: list[Asked]) -> None:
    for q in ("exa", "o12", "example"):
        CUSTOMERS.page({"created_by": NOBODY, "q": q}, page=1, page_size=20)
    assert len(asked) == 3
    for each in asked:
        assert "Seq Scan on customers" not in each.plan, each


def test_no_cursor_of_another_list_leads_on(context: None) -> None:
    with pytest.raises(Invalid):
        search.page_of_matches("a", page=1, page_size=1, cursor="bm90aGluZw")
