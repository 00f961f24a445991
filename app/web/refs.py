"""The names of records in paths."""

import re

from werkzeug.routing import BaseConverter

from app.schemas.fields import RESERVED

_WORDS = "|".join(map(re.escape, sorted(RESERVED)))


class Ref(BaseConverter):
    """A part of a path that names a record: never a word of the paths, which no record is called.

    What `/customers/imports` does not offer would be asked of a customer of that name otherwise.
    """

    regex = rf"(?!(?:{_WORDS})\Z)[^/]+"
    part_isolating = True  # a slash is only in what it is not
