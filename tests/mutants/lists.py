"""The guards of reading: lists and their cursors, what is shown, and the way past the ORM."""

from tests.mutants import Mutant

ALONG = "app/services/along.py"
DATABASE = "app/db.py"
ENDPOINT = "app/web/endpoint.py"
LISTING = "app/services/listing.py"
PAGES = "app/services/pages.py"
READING = "app/reading.py"
RECORDS = "app/services/records.py"
SHOWN = "app/web/shown.py"
TALLIED = "app/services/tallied.py"

CURSORS = "tests/routes/test_cursors.py"
DEEP = "tests/services/test_listing.py"
FIELDS = "tests/routes/test_fields.py"
READING_TESTS = "tests/test_reading.py"
SHOWN_TESTS = "tests/web/test_shown.py"
SPANS = "tests/services/test_tallied.py"

LISTS = (
    Mutant(
        "lists: an applicant sees what is theirs",
        RECORDS,
        'return {} if actor.is_staff else {"created_by": actor.id}',
        "return {}",
        f"{CURSORS} -k not_theirs",
    ),
    Mutant(
        "lists: what is read along is theirs, too",
        ALONG,
        '        .where(name == bindparam("ref"), may_see)\n',
        '        .where(name == bindparam("ref"))\n',
        "tests/test_access_matrix.py",
    ),
    Mutant(
        "lists: a filter filters",
        LISTING,
        "for name in sorted(names) if name in self.filters]",
        "for name in ()]",
        f"{CURSORS} -k meets_its_filters",
    ),
    Mutant(
        "lists: and is counted by",
        LISTING,
        "select(func.count()).where(*self._conditions(names))",
        "select(func.count()).select_from(self.model)",
        f"{CURSORS} -k meets_its_filters",
    ),
    Mutant(
        "lists: no record is one where there is none",
        LISTING,
        "[row for row in found if row.id is not None], found[0].total",
        "found, found[0].total",
        f"{DEEP} -k after_all_before",
    ),
    Mutant(
        "lists: of one moment, by id",
        LISTING,
        "Order((getattr(self.model, self.moment), self.model.id), is_descending)",
        "Order((getattr(self.model, self.moment),), is_descending)",
        f"{CURSORS} -k once_and_back",
    ),
    Mutant(
        "lists: of one moment, by id, in those that the ORM reads",
        PAGES,
        "    return Order((model.created_at, model.id))\n",
        "    return Order((model.created_at,))\n",
        f"{CURSORS} -k once_and_back",
    ),
    Mutant(
        "lists: one row more tells of more",
        LISTING,
        "literal_column(str(shape.size + 1))",
        "literal_column(str(shape.size))",
        f"{CURSORS} -k once_and_back",
    ),
    Mutant(
        "lists: one row more tells of more, in those that the ORM reads",
        PAGES,
        "rows.limit(page_size + 1)",
        "rows.limit(page_size)",
        f"{CURSORS} -k once_and_back",
    ),
    Mutant(
        "lists: and is not shown",
        PAGES,
        "items, has_more = found[:page_size], ",
        "items, has_more = found, ",
        f"{CURSORS} -k once_and_back",
    ),
    Mutant(
        "lists: of each status as many as are skipped, and a page",
        LISTING,
        "walk.limit(size + skipped)",
        "walk.limit(size)",
        f"{DEEP} -k after_all_before",
    ),
    Mutant(
        "lists: a page is found by its day",
        LISTING,
        "if skipped > SKIPPED_AT_MOST and is_tallied(frozenset(values)):",
        "if False:",
        f"{DEEP} -k found_by_its_day",
    ),
    Mutant(
        "lists: the very day",
        "app/services/asked.py",
        '_bounds({"last" if order.is_descending else "first": day})',
        '_bounds({"last" if order.is_descending else "first": day - ONE_DAY})',
        f"{DEEP} -k after_all_before",
    ),
    Mutant(
        "lists: past what comes before that day",
        LISTING,
        "            skipped -= before\n",
        "",
        f"{DEEP} -k after_all_before",
    ),
    Mutant(
        "lists: the day of the row, not of the one before",
        TALLIED,
        ".where(through.c.through > skipped)",
        ".where(through.c.through >= skipped)",
        f"{SPANS} -k seek_it",
    ),
    Mutant(
        "lists: what is not folded counts",
        TALLIED,
        "func.coalesce(folded.scalar_subquery(), 0) + func.coalesce(changed.scalar_subquery(), 0)",
        "func.coalesce(folded.scalar_subquery(), 0)",
        f"{SPANS} -k plain_count",
    ),
    Mutant(
        "lists: a range ends with its last day",
        TALLIED,
        "last.toordinal() + 1",
        "last.toordinal()",
        f"{SPANS} -k all_of_it",
    ),
    Mutant(
        "lists: a month that is not whole is counted by days",
        TALLIED,
        "else _next_month(first)",
        "else _next_month(first) - 1",
        f"{SPANS} -k whole_months",
    ),
    Mutant(
        "cursors: not the row itself",
        PAGES,
        "return key < tuple_(*row) if",
        "return key <= tuple_(*row) if",
        f"{CURSORS} -k once_and_back",
    ),
    Mutant(
        "cursors: not the row itself, the other way",
        PAGES,
        "else key > tuple_(*row)",
        "else key >= tuple_(*row)",
        f"{CURSORS} -k once_and_back",
    ),
    Mutant(
        "cursors: back in the list's own order",
        PAGES,
        "        items = items[::-1]\n",
        "        pass\n",
        f"{CURSORS} -k once_and_back",
    ),
    Mutant(
        "cursors: good for one list",
        PAGES,
        "if place is None or self._written(place) != cursor:",
        "if place is None:",
        f"{CURSORS} -k another_list",
    ),
    Mutant(
        "cursors: good for one order",
        PAGES,
        '("-" if self.is_descending else "")',
        '""',
        f"{CURSORS} -k another_list",
    ),
    Mutant(
        "cursors: as they were written",
        PAGES,
        "if place is None or self._written(place) != cursor:",
        "if place is None:",
        f"{CURSORS} -k forged",
    ),
    Mutant(
        "cursors: true is no number",
        PAGES,
        "if type(value) is not int or",
        "if not isinstance(value, int) or",
        f"{CURSORS} -k forged",
    ),
    Mutant(
        "cursors: no number that PostgreSQL cannot hold",
        PAGES,
        " or abs(value) > LARGEST_KEY:",
        ":",
        f"{CURSORS} -k forged",
    ),
    Mutant(
        "fields: those that there are",
        ENDPOINT,
        "        if unknown := [name for name in names if name not in known]:",
        "        if unknown := [name for name in () if name not in known]:",
        f"{FIELDS} -k unknown",
    ),
    Mutant(
        "fields: and no others",
        ENDPOINT,
        "show = shower(self.returns, tuple(result) if self.is_sparse else only)",
        "show = shower(self.returns, tuple(result) if self.is_sparse else None)",
        f"{FIELDS} -k only_the_fields",
    ),
    Mutant(
        "fields: no end of choices",
        SHOWN,
        "@lru_cache(CHOICES_KEPT)",
        "@cache",
        f"{SHOWN_TESTS} -k without_end",
    ),
    Mutant(
        "shown: a field that differs from its kind",
        SHOWN,
        "if type(field) in WRITTEN_AS_IT_IS:",
        "if isinstance(field, WRITTEN_AS_IT_IS):",
        f"{SHOWN_TESTS} -k way_of_its_own",
    ),
    Mutant(
        "shown: a moment of another offset",
        SHOWN,
        "isinstance(value, datetime) and value.tzinfo is UTC",
        "isinstance(value, datetime)",
        f"{SHOWN_TESTS} -k 'schema_dumps or told_in_utc'",
    ),
    Mutant(
        "shown: nothing of what is nested",
        SHOWN,
        "return lambda value: None if value is None else show(value)",
        "return show",
        f"{SHOWN_TESTS} -k schema_dumps",
    ),
    Mutant(
        "shown: no list",
        SHOWN,
        "return lambda values: [show(value) for value in values or ()]",
        "return lambda values: [show(value) for value in values]",
        f"{SHOWN_TESTS} -k empty_one",
    ),
    Mutant(
        "reading: a connection is given back",
        READING,
        "        with closing(borrowed()) as lent:\n            return",
        "        if lent := borrowed():\n            return",
        READING_TESTS,
    ),
    Mutant(
        "reading: in the transaction at work",
        READING,
        "if (of_session := lent()) is not None:",
        "if (of_session := None) is not None:",
        f"{READING_TESTS} -k 'within_a_transaction or enough'",
    ),
    Mutant(
        "reading: who cannot connect is told why",
        "app/db.py",
        "        raise translated(cause) or cause from cause",
        "        raise",
        f"{READING_TESTS} -k found_again",
    ),
    Mutant(
        "reading: one error for all connections that broke",
        "app/driver.py",
        "        cast(Any, lent)._pool._invalidate(lent, cause)  # as SQLAlchemy does",
        "        pass",
        f"{READING_TESTS} -k however_many",
    ),
)
