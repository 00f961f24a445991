"""Statements as they were sent to PostgreSQL, in words that a test can compare."""

import re


def shape(statement: str) -> str:
    """What it does to which tables."""
    text = " ".join(statement.split())
    verb = text.split(maxsplit=1)[0]
    if verb == "WITH":
        return " and ".join(re.findall(r"INSERT INTO \w+|UPDATE \w+", text))
    if verb not in ("SELECT", "INSERT", "UPDATE"):
        return verb
    table = re.search(r"(?:INTO|UPDATE|JOIN|FROM) (\w+)", text)
    if table is None:
        return verb
    lock = " FOR UPDATE" if text.endswith("FOR UPDATE") else ""
    return f"{verb} {table[1]}{lock}"
