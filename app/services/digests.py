"""What names are stored as where nobody has to read them again."""

from sqlalchemy import ColumnElement, func


def of_name(name: str) -> ColumnElement[bytes]:
    """Folded by PostgreSQL, as users are looked up: two spellings of one user are one name."""
    return func.sha256(func.convert_to(func.lower(name), "UTF8"))
