"""Cutting a file: which lines there are, what their fields say, and what is no text at all."""

import csv
import io
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Invalid
from app.services.imports import cutting
from app.services.imports.cutting import (
    LINES_AT_MOST,
    LONGEST_LINE,
    SEPARATOR,
    SUBSTITUTE,
    TOO_LONG,
    UNCLOSED,
    Chunk,
    cut,
)
from tests.importing import BOM, NO_TEXT

A_PIECE = 64 * 1024
MEGABYTE = 1024 * 1024
OURS = "\x1c\x1d\x1e\x1f"
# What a file may be made of, so that each meets each at every border.
BITS = ["a", ",", '"', "\n", "\r", "\r\n", " ", "é", "日", "😀", "\u2028", "\x0b", "\x85", *OURS]
UNDISTURBED = st.characters(exclude_categories=("Cs",), exclude_characters="\0\r\n" + OURS)

Line = tuple[int, list[str]]


def told(*pieces: bytes) -> list[Line]:
    """The number and the fields of each line that is not empty."""
    return [
        (chunk.first_line + at, line.split(SEPARATOR))
        for chunk in cut(pieces)
        for at, line in enumerate(chunk.text.split("\n"))
        if line
    ]


def of_text(text: str) -> list[Line]:
    return told(text.encode())


def total(chunks: Iterable[Chunk]) -> int:
    return sum(chunk.number_of_lines for chunk in chunks)


def test_lines_are_numbered_and_their_fields_told_apart() -> None:
    assert of_text("a,1\nb,2,2026-01-01T00:00:00Z\n") == [
        (1, ["a", "1"]),
        (2, ["b", "2", "2026-01-01T00:00:00Z"]),
    ]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_lines_end_as_on_any_system_and_the_last_need_not(ending: str, last: bool) -> None:
    text = ending.join(("a,1", "b,2")) + (ending if last else "")
    assert of_text(text) == [(1, ["a", "1"]), (2, ["b", "2"])]


def test_a_carriage_return_alone_ends_no_line() -> None:
    assert of_text("a,1\rb,2\r") == [(1, ["a", "1\rb", "2"])]


def test_a_byte_order_mark_is_no_part_of_the_first_line_and_of_others_it_is() -> None:
    assert told(BOM + b"a,1\n" + BOM + b"b,2") == [(1, ["a", "1"]), (2, ["\ufeffb", "2"])]


@pytest.mark.parametrize(
    "header",
    [
        "external_id,credit_limit",
        "external_id,credit_limit,preapproved_at",
        "EXTERNAL_ID,Credit_Limit",
        " external_id , credit_limit\t",
        '"external_id","credit_limit","preapproved_at"',
        "\ufeffexternal_id,credit_limit",
    ],
)
def test_a_header_counts_as_a_line_and_is_none_to_work_on(header: str) -> None:
    chunks = list(cut([f"{header}\r\na,1\r\n".encode()]))
    assert of_text(f"{header}\r\na,1\r\n") == [(2, ["a", "1"])]
    assert total(chunks) == 1


@pytest.mark.parametrize(
    "other",
    [
        "credit_limit,external_id",
        "external_id",
        "external_id,credit_limit,preapproved_at,name",
        "external_id;credit_limit",
        "external id,credit limit",
    ],
)
def test_what_is_not_quite_a_header_is_a_line(other: str) -> None:
    assert [number for number, _ in of_text(f"{other}\na,1\n")] == [1, 2]


def test_a_header_that_is_not_the_first_line_is_a_line() -> None:
    header = "external_id,credit_limit"
    assert [number for number, _ in of_text(f"\n{header}\n")] == [2]
    assert [number for number, _ in of_text(f"{header}\n{header}\n")] == [2]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('"a","1"', ["a", "1"]),
        ('"a,b",1', ["a,b", "1"]),
        ('"a""b",1', ['a"b', "1"]),
        ('a"b,1', ['a"b', "1"]),
        ('"","",""', ["", "", ""]),
        ('a,1,""', ["a", "1", ""]),
        (",", ["", ""]),
        (",,,", ["", "", "", ""]),
        (" a , 1 ", [" a ", " 1 "]),
        ("a", ["a"]),
    ],
)
def test_quotes_are_read_as_in_csv(line: str, fields: list[str]) -> None:
    assert of_text(line) == [(1, fields)]


@pytest.mark.parametrize("line", ['"a,1', 'a,"1', '"a"b,1', '"a" ,1', '"', 'a,"1""', '"a\r",1\rb'])
def test_an_open_quote_spoils_its_own_line_alone(line: str) -> None:
    first, spoiled, last = of_text(f"b,2\n{line}\nc,3\n")
    assert spoiled == (2, [UNCLOSED + line])
    assert (first, last) == ((1, ["b", "2"]), (3, ["c", "3"]))


def test_what_is_in_quotes_does_not_go_on_in_the_next_line() -> None:
    assert of_text('"a\nb",1\n') == [(1, [UNCLOSED + '"a']), (2, ['b"', "1"])]


def test_a_line_of_nothing_but_quotes_or_commas_is_not_empty() -> None:
    for line in ('""', ",", '"",""'):
        assert [number for number, _ in of_text(f"\n{line}\n\n")] == [2]


@pytest.mark.parametrize("letter", ["a", "é", "😀", '"', "\x1f"])
def test_a_line_is_too_long_beyond_its_last_character(letter: str) -> None:
    """Characters count, not bytes."""
    longest, longer = letter * LONGEST_LINE, letter * (LONGEST_LINE + 1)
    chunk = next(cut([f"{longest}\r\n{longer}\r\nb,2\n".encode()]))
    as_kept = letter.replace("\x1f", SUBSTITUTE) * LONGEST_LINE
    first, second, third = chunk.text.split("\n")
    assert TOO_LONG not in first
    assert second == TOO_LONG + as_kept
    assert third == SEPARATOR.join(("b", "2"))


def test_only_the_beginning_is_kept_of_a_line_of_ten_megabytes() -> None:
    pieces = [b"b,2\n", *[b"x" * A_PIECE] * 160, b"\nc,3\n"]
    assert told(*pieces) == [
        (1, ["b", "2"]),
        (2, [TOO_LONG + "x" * LONGEST_LINE]),
        (3, ["c", "3"]),
    ]


def of_ten_megabytes() -> Iterator[bytes]:
    yield from (b"x" * A_PIECE for _ in range(160))


def of_long_lines() -> Iterator[bytes]:
    """Each is in the last piece for the most part, and too long."""
    yield from (b"x" * (A_PIECE - 1) + b"\n" for _ in range(400))


@pytest.mark.parametrize("file", [of_ten_megabytes, of_long_lines])
def test_however_long_the_lines_are_little_is_held(file: Callable[[], Iterator[bytes]]) -> None:
    tracemalloc.start()
    try:
        assert total(cut(file())) in (1, 400)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MEGABYTE


def test_empty_lines_are_numbered_and_not_counted() -> None:
    text = "\n\r\na,1\n\n\nb,2\n\n"
    assert of_text(text) == [(3, ["a", "1"]), (6, ["b", "2"])]
    assert total(cut([text.encode()])) == 2


@pytest.mark.parametrize("text", ["", "\n", "\r\n\n\r\n", "\ufeff", "external_id,credit_limit\n"])
def test_a_file_without_a_line_has_no_chunk(text: str) -> None:
    assert list(cut([text.encode()])) == []


def test_empty_lines_alone_make_no_chunk_however_many() -> None:
    text = "\n" * (3 * LINES_AT_MOST) + "a,1\n"
    (chunk,) = cut([text.encode()])
    assert (chunk.first_line, chunk.number_of_lines) == (3 * LINES_AT_MOST + 1, 1)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_chunk_is_full_at_its_last_line(more: int) -> None:
    text = "".join(f"crm-{number},1\n" for number in range(2 * LINES_AT_MOST + more))
    chunks = list(cut([text.encode()]))
    sizes = [LINES_AT_MOST, LINES_AT_MOST + min(more, 0), *[1] * (more > 0)]
    assert [chunk.number_of_lines for chunk in chunks] == sizes
    firsts = [1 + at * LINES_AT_MOST for at in range(len(sizes))]
    assert [chunk.first_line for chunk in chunks] == firsts


@pytest.mark.parametrize("content", NO_TEXT.values(), ids=NO_TEXT)
def test_what_is_no_text_in_utf_8_is_refused_whole(content: bytes) -> None:
    for pieces in ([content], [content[at : at + 1] for at in range(len(content[:20_000]))]):
        with pytest.raises(Invalid) as refused:
            list(cut(pieces))
        ((reason,),) = refused.value.errors.values()
        assert reason.startswith("Must be text")


@pytest.mark.parametrize("letter", OURS)
@pytest.mark.parametrize("line", ["{}a,1", "a{},1", '"a{}",1', "a,1{}"])
def test_no_character_of_a_file_is_taken_for_one_of_ours(line: str, letter: str) -> None:
    expected = line.replace('"', "").format(SUBSTITUTE).split(",")
    assert of_text(line.format(letter)) == [(1, expected)]


def test_a_spoiled_line_holds_no_character_of_ours_either() -> None:
    for letter in OURS:
        assert of_text(f'"{letter}') == [(1, [f'{UNCLOSED}"{SUBSTITUTE}'])]


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from(BITS), max_size=60).map("".join),
    st.lists(st.integers(0, 200), max_size=12),
    st.booleans(),
)
def test_however_the_bytes_come_the_chunks_are_the_same(
    text: str, borders: list[int], is_marked: bool
) -> None:
    content = (BOM if is_marked else b"") + text.encode()
    places = [0, *sorted(min(at, len(content)) for at in borders), len(content)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting, "LINES_AT_MOST", 3)
        patch.setattr(cutting, "LONGEST_LINE", 5)
        whole = list(cut([content]))
        assert list(cut(content[start:end] for start, end in pairwise(places))) == whole
        assert list(cut(bytes([byte]) for byte in content)) == whole
    lines = text.replace("\r\n", "\n").removesuffix("\r").split("\n")
    assert total(whole) == sum(1 for line in lines if line)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.lists(st.text(UNDISTURBED, max_size=12), min_size=2, max_size=5), max_size=8),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_fields_are_those_that_csv_writes(rows: list[list[str]], quoting: int, ending: str) -> None:
    file = io.StringIO()
    csv.writer(file, quoting=quoting, lineterminator=ending).writerows(rows)
    assert of_text("\n" + file.getvalue()) == list(enumerate(rows, 2))
