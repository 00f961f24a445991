"""Each field takes what it should to the last digit, and nothing beside it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
import pytest
from marshmallow import Schema, ValidationError, fields

from app.schemas.common import DayRange, ListFilter, Query
from app.schemas.fields import (
    Choice,
    Day,
    Email,
    Exact,
    ExternalId,
    Figure,
    Id,
    Instant,
    Money,
    Numeral,
    Otp,
    Phone,
    Reference,
    Score,
    Secret,
    Text,
    Truth,
    Whole,
)

A_UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
FIVE_THOUSAND_DIGITS = "9" * 5_000
NO_DIGITS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "inf",
    "",
    " ",
    "abc",
    "0x10",
    "\uff11\uff12",
    "١٢",
    "²",
    "½",
]
NOT_AS_DIGITS = [
    *("1e3", "1E3", "1e400", "1_000", "1,000", " 12 ", "12 ", " 12", "12\n", "\t12", "12\0"),
    *("+12", "-12", "--12", "$12", "12$", "0012", "01", ".5", "5.", "1.2.3", "1 000"),
]
TOO_MUCH_MONEY = [
    *("1000000000000", "1000000000000.00", "999999999999.995", "1" + "0" * 15),
    *("999999999999.991", FIVE_THOUSAND_DIGITS),
]
PARTS_OF_A_CENT = ["0.001", "1.005", "0.000", "12.000", "0.29000000000000004", "999999999999.990"]
NEGATIVE_MONEY = ["-0.01", "-1", "-0", "-0.00", "-999999999999.99"]
NOT_MONEY = [*NO_DIGITS, *NOT_AS_DIGITS, *TOO_MUCH_MONEY, *PARTS_OF_A_CENT, *NEGATIVE_MONEY]
NEITHER_TEXT_NOR_NUMBER = [True, False, [], ["1.00"], {}, {"amount": "1.00"}, 0.29, 12]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def load(field: fields.Field[Any], value: Any, *, base: type[Schema] = Schema) -> Any:
    return base.from_dict({"it": field})().load({"it": value})["it"]


def dump(field: fields.Field[Any], value: Any) -> Any:
    return Schema.from_dict({"it": field})().dump({"it": value})["it"]


def refuses(field: fields.Field[Any], value: Any, *, base: type[Schema] = Schema) -> bool:
    with pytest.raises(ValidationError) as refused:
        load(field, value, base=base)
    return list(refused.value.messages_dict) == ["it"]


def brief(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:20]}...{len(text)}"


@pytest.mark.parametrize(
    "amount", ["0.01", "0.1", "0.29", "1", "1.5", "25000.00", "999999999999.99", "999999999999"]
)
@pytest.mark.parametrize("form", [str, Numeral])
def test_money_is_read_exactly_as_text_and_as_a_number(form: Any, amount: str) -> None:
    assert str(load(Money(), form(amount))) == amount


@pytest.mark.parametrize("amount", NOT_MONEY, ids=brief)
@pytest.mark.parametrize("form", [str, Numeral])
@pytest.mark.parametrize("positive", [True, False])
def test_money_is_refused_unless_it_is_plain_digits_within_bounds(
    positive: bool, form: Any, amount: str
) -> None:
    assert refuses(Money(positive=positive), form(amount))


@pytest.mark.parametrize("amount", NEITHER_TEXT_NOR_NUMBER, ids=brief)
def test_money_is_never_taken_from_another_type(amount: object) -> None:
    assert refuses(Money(), amount)


@pytest.mark.parametrize("zero", ["0", "0.0", "0.00", Numeral("0"), Numeral("0.00")], ids=brief)
def test_nothing_is_no_positive_amount(zero: object) -> None:
    assert refuses(Money(), zero)


@pytest.mark.parametrize("zero", ["0", "0.0", "0.00", Numeral("0"), Numeral("0.00")], ids=brief)
def test_nothing_is_an_amount_where_zero_is_meant(zero: object) -> None:
    assert load(Money(positive=False), zero) == 0


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (Decimal("25000"), "25000.00"),
        (Decimal("0.1"), "0.10"),
        (Decimal("-3.50"), "-3.50"),
        (Decimal("999999999999.99"), "999999999999.99"),
        (None, None),
    ],
)
def test_money_is_shown_with_two_decimals(stored: Decimal | None, shown: str | None) -> None:
    assert dump(Money(), stored) == shown


@pytest.mark.parametrize("score", ["0", "0.0", "0.00", "0.75", "0.99", "1", "1.0", "1.00"])
@pytest.mark.parametrize("form", [str, Numeral])
def test_a_score_lies_from_0_to_1(form: Any, score: str) -> None:
    assert str(load(Score(), form(score))) == score


@pytest.mark.parametrize(
    "score",
    [*NO_DIGITS, *NOT_AS_DIGITS, "1.01", "1.001", "0.001", "2", "-0.01", "-0", "00.5", "0.755"],
    ids=brief,
)
@pytest.mark.parametrize("form", [str, Numeral])
def test_a_score_is_refused_outside_0_to_1_or_beyond_two_decimals(form: Any, score: str) -> None:
    assert refuses(Score(), form(score))


def test_a_score_is_shown_with_two_decimals() -> None:
    assert dump(Score(), Decimal("0.5")) == "0.50"


def test_an_exact_figure_is_shown_with_the_decimals_it_has() -> None:
    assert dump(Exact(), Decimal("0.500000000000")) == "0.500000000000"


def test_an_exact_figure_is_shown_without_an_exponent() -> None:
    assert dump(Exact(), Decimal("1E-12")) == "0.000000000001"


@pytest.mark.parametrize("figure", ["487000.00", "0.00", "1E+3", "0.0001", "99999999999999.99"])
def test_a_figure_is_written_as_an_exact_json_number(figure: str) -> None:
    written = orjson.dumps(dump(Figure(), Decimal(figure)))
    assert written == f"{Decimal(figure):f}".encode()


@pytest.mark.parametrize("number", ["1", "2", "599", "600"])
def test_a_whole_number_within_its_bounds_is_taken(number: str) -> None:
    assert load(Whole(1, 600), Numeral(number)) == int(number)


@pytest.mark.parametrize(
    "number",
    [*NO_DIGITS, *NOT_AS_DIGITS, "0", "-0", "-1", "601", "1.0", "1.5", str(10**18), "9" * 5_000],
    ids=brief,
)
def test_a_number_not_whole_or_out_of_bounds_is_refused(number: str) -> None:
    assert refuses(Whole(1, 600), Numeral(number))


@pytest.mark.parametrize("value", ["36", True, [], {}, 36, 36.0], ids=brief)
def test_a_whole_number_in_a_body_is_a_json_number(value: object) -> None:
    assert refuses(Whole(1, 600), value)


def test_a_whole_number_in_a_query_is_digits() -> None:
    assert load(Whole(1, 600), "36", base=Query) == 36


@pytest.mark.parametrize("number", ["1.0", "1e2", "+1", " 1", "1\n", "\uff11", "1_0", ""])
def test_a_whole_number_in_a_query_is_nothing_but_digits(number: str) -> None:
    assert refuses(Whole(1, 600), number, base=Query)


@pytest.mark.parametrize("value", [True, False])
def test_truth_in_a_body_is_jsons_own(value: bool) -> None:
    assert load(Truth(), value) is value


@pytest.mark.parametrize("value", ["true", "false", Numeral("1"), Numeral("0"), 1, 0, "", [], {}])
def test_truth_in_a_body_is_no_word_and_no_number(value: object) -> None:
    assert refuses(Truth(), value)


@pytest.mark.parametrize(("word", "value"), [("true", True), ("false", False)])
def test_truth_in_a_query_is_a_word(word: str, value: bool) -> None:
    assert load(Truth(), word, base=Query) is value


@pytest.mark.parametrize("word", ["True", "TRUE", "yes", "1", "0", "on", "", "true ", "truetrue"])
def test_truth_in_a_query_is_no_other_word(word: str) -> None:
    assert refuses(Truth(), word, base=Query)


@pytest.mark.parametrize("colour", list(Colour))
def test_a_choice_becomes_its_option(colour: Colour) -> None:
    assert load(Choice(*Colour), str(colour)) is colour


@pytest.mark.parametrize(
    "value", ["Red", "red ", "", "green", "red\0", Numeral("1"), True, ["red"]]
)
def test_a_choice_is_written_exactly_as_it_is_offered(value: object) -> None:
    assert refuses(Choice(*Colour), value)


def test_a_choice_offers_no_more_than_it_was_given() -> None:
    assert refuses(Choice(Colour.RED), "blue")


@pytest.mark.parametrize("length", [3, 4, 9, 10])
def test_text_of_a_permitted_length_is_taken(length: int) -> None:
    assert load(Text(10, least=3), "é" * length) == "é" * length


@pytest.mark.parametrize("length", [0, 2, 11, 1_000_000])
def test_text_too_short_or_too_long_is_refused(length: int) -> None:
    assert refuses(Text(10, least=3), "é" * length)


@pytest.mark.parametrize(
    "text", ["<script>", "=1+1", "O'Brien", "100%", "a_b\\c", "日本語", "😀😀"]
)
def test_text_is_kept_as_it_was_written(text: str) -> None:
    assert load(Text(60), text) == text


@pytest.mark.parametrize("code", [0, 1, 9, 10, 13, 27, 31, 127, 128, 133, 159, 0x2028, 0x2029])
@pytest.mark.parametrize("field", [Text, Reference, ExternalId, Email, Phone])
def test_control_characters_are_refused(field: Any, code: int) -> None:
    about = {Email: "a{}b@example.com", Phone: "+49{}5551234"}.get(field, "a{}b")
    assert refuses(field(60) if field is Text else field(), about.format(chr(code)))


@pytest.mark.parametrize("blank", [" ", "   ", "\u00a0", "\u3000\u2003"])
def test_blank_text_is_refused(blank: str) -> None:
    assert refuses(Text(60), blank)


@pytest.mark.parametrize("value", [Numeral("12"), True, [], ["a"], {}, {"a": "b"}], ids=brief)
@pytest.mark.parametrize(
    "field",
    [
        *(Text(60), Secret(60), Otp(), Email(), Phone(), ExternalId(), Reference(), Id(), Day()),
        Instant(),
    ],
    ids=lambda field: type(field).__name__,
)
def test_text_is_never_taken_from_another_type(field: fields.Field[Any], value: object) -> None:
    assert refuses(field, value)


@pytest.mark.parametrize(
    "field",
    [Text(60), Secret(60), Email(), Money(), Score(), Whole(1, 2), Truth(), Choice(*Colour), Id()],
    ids=lambda field: type(field).__name__,
)
def test_null_is_refused_where_it_was_not_invited(field: fields.Field[Any]) -> None:
    assert refuses(field, None)


@pytest.mark.parametrize(
    "field",
    [Text(60, allow_none=True), Money(allow_none=True), Day(allow_none=True)],
    ids=lambda field: type(field).__name__,
)
def test_null_empties_a_field_that_invites_it(field: fields.Field[Any]) -> None:
    assert load(field, None) is None


@pytest.mark.parametrize("secret", [" ", "\t\n", "päss wörd", "x" * 128])
def test_a_secret_may_hold_any_character(secret: str) -> None:
    assert load(Secret(128), secret) == secret


@pytest.mark.parametrize("secret", ["", "a\0b", "x" * 129, "x" * 1_000_000], ids=brief)
def test_a_secret_is_bounded_and_without_nul(secret: str) -> None:
    assert refuses(Secret(128), secret)


@pytest.mark.parametrize(
    "code", ["000000", "123456", "abcd-efgh-2345-mnop", "ABCDEFGH2345MNOP", "abcdefgh-2345mnop"]
)
def test_a_one_time_password_is_six_digits_or_a_recovery_code(code: str) -> None:
    assert load(Otp(), code) == code


@pytest.mark.parametrize(
    "other",
    [
        *("", "12345", "1234567", "12345a", " 123456", "123 456", "123456\n", "-12345", "+12345"),
        *("\uff11\uff12\uff13\uff14\uff15\uff16", "١٢٣٤٥٦", "²²²²²²"),
        *("abcd-efgh-ijkl-mno", "abcd-efgh-ijkl-mnopq", "abcd-efgh-ijkl-mno1", "abcd-efgh-ijkl"),
        *(
            "abcd--efgh-ijkl-mno",
            "-abcdefghijklmnop",
            "abcd efgh ijkl mnop",
            "\uff41bcdefghijklmnop",
        ),
    ],
)
def test_nothing_else_is_a_one_time_password(other: str) -> None:
    assert refuses(Otp(), other)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.L+x@EXAMPLE.com", "Ada.L+x@example.com"),
        ("a@b.test", "a@b.test"),
        ("ü@bücher.example", "ü@bücher.example"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
    ids=brief,
)
def test_an_address_keeps_its_name_and_lowers_its_domain(written: str, kept: str) -> None:
    assert load(Email(), written) == kept


@pytest.mark.parametrize(
    "address",
    [
        *("ada", "@example.com", "ada@", "ada@@example.com", "a b@example.com", "a@exa mple.com"),
        *("ada@example..com", ".ada@example.com", "ada@-example.com", "Ada <ada@example.com>"),
        *(
            "ada@example.com ",
            "ada@example.com\n",
            "ada@example.com,b@example.com",
        ),
        *("a@" + "b" * 250 + ".com", "a" * 1_000_000 + "@example.com"),
        *("a\u202eb@example.com", "ada@[127.0.0.1]"),
    ],
    ids=brief,
)
def test_what_could_receive_no_mail_is_no_address(address: str) -> None:
    assert refuses(Email(), address)


@pytest.mark.parametrize("phone", ["0123", "+1 (555) 010-99.99", "+" + "1" * 31])
def test_a_phone_is_digits_with_the_usual_punctuation(phone: str) -> None:
    assert load(Phone(), phone) == phone


@pytest.mark.parametrize(
    "phone",
    [
        "012",
        "+" + "1" * 32,
        "1" * 33,
        "call me",
        "++123456",
        "(555) 1234",
        "555-1234x",
        "\uff11\uff12\uff13\uff14\uff15",
    ],
)
def test_what_cannot_be_dialled_is_no_phone(phone: str) -> None:
    assert refuses(Phone(), phone)


@pytest.mark.parametrize(
    "name", ["A", "C-001", "a b", "x" * 60, "Imports!", "日本-1", "50%_'\\", "..."]
)
def test_an_external_id_is_up_to_60_printable_characters(name: str) -> None:
    assert load(ExternalId(), name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "x" * 61, " a", "a ", "a/b", "/", "a\u200bb", "a\u00a0b", "a\u202eb"),
        *("imports", "IMPORTS", "export", ".", ".."),
        *(A_UUID, A_UUID.upper(), A_UUID.replace("-", ""), f"{{{A_UUID}}}", f"urn:uuid:{A_UUID}"),
    ],
)
def test_an_external_id_is_never_mistaken_for_a_path_or_an_id(name: str) -> None:
    assert refuses(ExternalId(), name)


@pytest.mark.parametrize("text", [A_UUID, A_UUID.upper()])
def test_an_id_is_a_uuid_in_canonical_form(text: str) -> None:
    assert load(Id(), text) == UUID(A_UUID)


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", A_UUID.replace("-", ""), f"{{{A_UUID}}}", f"urn:uuid:{A_UUID}", A_UUID + "\n"),
        *("g" + A_UUID[1:], f"{{{{{A_UUID.replace('-', '')}}}}}", f"urn:{A_UUID.replace('-', '')}"),
        *("1_" + A_UUID[2:], A_UUID.replace("0", "\uff10"), A_UUID[:-1]),
    ],
)
def test_an_id_in_another_form_is_refused(text: str) -> None:
    assert refuses(Id(), text)


def test_an_id_is_shown_in_canonical_form() -> None:
    assert dump(Id(), UUID(A_UUID)) == A_UUID


@pytest.mark.parametrize("day", ["0001-01-01", "2024-02-29", "2026-12-31", "9999-12-31"])
def test_a_day_of_the_calendar_is_taken(day: str) -> None:
    assert load(Day(), day) == date.fromisoformat(day)


NOT_DAYS = [
    *("0000-01-01", "2026-02-30", "2026-02-29", "2026-13-01", "2026-00-10", "2026-01-32"),
    *("10000-01-01", "26-01-01", "2026-1-1", "20260101", "2026-W01-1", "2026-001", "infinity"),
    *(
        "-infinity",
        "today",
        "",
        "2026-01-01\n",
        " 2026-01-01",
        "2026-01-01T00:00:00Z",
        "\uff12\uff10\uff12\uff16-01-01",
    ),
    *("2026/01/01", "-001-01-01"),
]


@pytest.mark.parametrize("day", NOT_DAYS)
def test_what_is_on_no_calendar_is_no_day(day: str) -> None:
    assert refuses(Day(), day)


def test_a_day_is_shown_as_it_is_written() -> None:
    assert dump(Day(), date(2026, 1, 31)) == "2026-01-31"


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00+02:00", datetime(2026, 1, 31, 7, 30, tzinfo=UTC)),
        ("2026-01-31T00:00:00.123456-23:59", datetime(2026, 1, 31, 23, 59, 0, 123456, UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_as_utc(written: str, moment: datetime) -> None:
    assert load(Instant(), written) == moment


@pytest.mark.parametrize(
    "moment",
    [
        *("2026-01-31", "2026-01-31T09:30:00", "2026-01-31 09:30:00Z", "2026-01-31T09:30Z"),
        *("2026-01-31T24:00:00Z", "2026-01-31T23:60:00Z", "2026-01-31T23:59:60Z"),
        *("2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"),
        *("0001-01-01T00:00:00+01:00", "2026-01-31T09:30:00+24:00", "2026-01-31T09:30:00+0200"),
        *("2026-01-31T09:30:00.1234567Z", "2026-01-31T09:30:00z", "2026-01-31T09:30:00Z\n"),
        *("infinity", "now", "", "1769851800", "\uff12\uff10\uff12\uff16-01-31T09:30:00Z"),
    ],
)
def test_a_moment_off_the_calendar_or_without_an_offset_is_refused(moment: str) -> None:
    assert refuses(Instant(), moment)


def test_a_moment_is_shown_in_utc() -> None:
    assert dump(Instant(), datetime(2026, 1, 31, 9, 30, tzinfo=UTC)) == "2026-01-31T09:30:00Z"


@pytest.mark.parametrize("query", [{"page": "0"}, {"page": "-1"}, {"page": "1000000001"}])
def test_pages_are_counted_from_1(query: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="page"):
        ListFilter().load(query)


@pytest.mark.parametrize("size", ["0", "101", "1000000000"])
def test_a_page_holds_from_1_to_100(size: str) -> None:
    with pytest.raises(ValidationError, match="page_size"):
        ListFilter().load({"page_size": size})


def test_a_list_begins_at_the_first_20() -> None:
    assert ListFilter().load({}) == {"page": 1, "page_size": 20}


@pytest.mark.parametrize("page_size", ["1", "100"])
def test_the_smallest_and_the_largest_page_are_taken(page_size: str) -> None:
    assert ListFilter().load({"page_size": page_size})["page_size"] == int(page_size)


def test_a_range_of_days_may_be_one_day() -> None:
    day = date(2026, 1, 31)
    loaded = DayRange().load({"from": "2026-01-31", "to": "2026-01-31"})
    assert loaded == {"first": day, "last": day}


def test_a_range_of_days_does_not_run_backwards() -> None:
    with pytest.raises(ValidationError) as refused:
        DayRange().load({"from": "2026-02-01", "to": "2026-01-31"})
    assert refused.value.messages_dict == {"to": ["Must not be before from."]}


@pytest.mark.parametrize("end", ["from", "to"])
def test_a_range_of_days_may_be_open(end: str) -> None:
    assert len(DayRange().load({end: "2026-01-31"})) == 1


@pytest.mark.parametrize("name", ["first", "last"])
def test_a_range_of_days_has_no_other_names_for_its_ends(name: str) -> None:
    with pytest.raises(ValidationError, match="Unknown field"):
        DayRange().load({name: "2026-01-31"})
