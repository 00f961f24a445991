"""From the bytes of a file to chunks of lines whose fields are told apart, in constant memory.

A record is a line: a quoted field does not go on in the next one, so that a quote which is never
closed spoils its own line alone. What reads the chunks splits fields at SEPARATOR, and has nothing
to know of quotes.
"""

import csv
import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from app.errors import Invalid

SEPARATOR = "\x1f"
# What a line begins with that has no fields to tell apart.
UNCLOSED, TOO_LONG = "\x1d", "\x1c"
# In place of these where they stand in a field: no control character is good for any.
SUBSTITUTE = "\x1a"

LINES_AT_MOST = 10_000
LONGEST_LINE = 1_000
HEADER = ("external_id", "credit_limit", "preapproved_at")

_OURS = re.compile("[\x1c-\x1f]")
_UNPLAIN = ('"', *map(chr, range(0x1C, 0x20)))


class Chunk(NamedTuple):
    """Lines that follow one another from the number `first_line` on; empty ones stay as they are.

    `number_of_lines` is how many are not empty.
    """

    first_line: int
    text: str
    number_of_lines: int


def cut(pieces: Iterable[bytes]) -> Iterator[Chunk]:
    """The file's lines, LINES_AT_MOST a chunk, without its header; none of empty lines alone.

    Raises Invalid for what is no text in UTF-8.
    """
    return (chunk for chunk in _chunks(pieces) if chunk.number_of_lines)


def _chunks(pieces: Iterable[bytes]) -> Iterator[Chunk]:
    waiting: list[str] = []
    first_line = 1
    for lines in _lines(pieces):
        waiting += lines
        while len(waiting) >= LINES_AT_MOST:
            yield _chunk(first_line, waiting[:LINES_AT_MOST])
            first_line += LINES_AT_MOST
            del waiting[:LINES_AT_MOST]
    if waiting:
        yield _chunk(first_line, waiting)


def _lines(pieces: Iterable[bytes]) -> Iterator[list[str]]:
    """Whole lines as they come, none longer than one that is too long has to be."""
    rest = ""
    for text in _decoded(pieces):
        whole, newline, rest = f"{rest}{text}".rpartition("\n")
        if newline:
            yield _shortened(whole.replace("\r\n", "\n").removesuffix("\r").split("\n"))
        rest = rest[: LONGEST_LINE + 2]
    if rest:
        yield _shortened([rest.removesuffix("\r")])


def _shortened(lines: list[str]) -> list[str]:
    """With the beginnings of those that are too long, which TOO_LONG makes too long again."""
    if max(map(len, lines)) <= LONGEST_LINE:
        return lines
    return [line if len(line) <= LONGEST_LINE else TOO_LONG + line[:LONGEST_LINE] for line in lines]


def _decoded(pieces: Iterable[bytes]) -> Iterator[str]:
    decode = getincrementaldecoder("utf-8-sig")("strict").decode
    try:
        for piece in pieces:
            if b"\0" in piece:
                raise Invalid({"file": ["Must be text, without NUL."]})
            yield decode(piece)
        yield decode(b"", final=True)
    except UnicodeDecodeError:
        raise Invalid({"file": ["Must be text in UTF-8."]}) from None


def _chunk(first_line: int, lines: list[str]) -> Chunk:
    if first_line == 1 and _is_header(lines[0]):
        lines = ["", *lines[1:]]
    text = "\n".join(lines)
    if any(letter in text for letter in _UNPLAIN):
        text = "\n".join(map(_told_apart, lines))
    else:
        text = text.replace(",", SEPARATOR)
    return Chunk(first_line, text, len(lines) - lines.count(""))


def _is_header(line: str) -> bool:
    names = tuple(name.strip().lower() for name in _told_apart(line).split(SEPARATOR))
    return names in (HEADER, HEADER[:2])


def _told_apart(line: str) -> str:
    """Its fields, with SEPARATOR in between; never empty unless the line is."""
    if len(line) > LONGEST_LINE:
        return TOO_LONG + _OURS.sub(SUBSTITUTE, line[1:])
    fields = line.split(",")
    if '"' in line:
        try:
            (fields,) = csv.reader([line], strict=True)
        except csv.Error:
            return UNCLOSED + _OURS.sub(SUBSTITUTE, line)
    told = SEPARATOR.join(_OURS.sub(SUBSTITUTE, field) for field in fields)
    return told or (SEPARATOR if line else "")
