"""The guards of exports: who may, what of, and what becomes of those that nobody reads on."""

from tests.mutants import Mutant

SERVICE = "app/services/exports.py"
LISTING = "app/services/listing.py"
STREAMED = "app/web/streamed.py"
CSV = "app/web/csv.py"
TEXT = "app/schemas/fields/text.py"
COMMAND = "app/cli/command.py"

ROUTES = "tests/routes/test_exports.py"
SERVICE_TESTS = "tests/services/test_exports.py"
STREAMED_TESTS = "tests/web/test_streamed.py"
CSV_TESTS = "tests/web/test_csv.py"
NETWORK = "tests/network/test_exports.py"
CLI = "tests/test_cli_export.py"

EXPORTED = (
    *(
        Mutant(
            f"exports: staff alone export {kind}",
            SERVICE,
            f"    actor.must_be_staff()\n    {then}",
            f"    {then}",
            f"{ROUTES} -k staff_alone",
        )
        for kind, then in {
            "customers": 'return Export(actor, "customers"',
            "loans": "asked = loans.",
            "payments": 'return Export(actor, "payments"',
        }.items()
    ),
    Mutant(
        "exports: each is on record",
        SERVICE,
        'audit.record(self.actor, f"{self.name}.exported", self.actor, filters=self._told())',
        "pass",
        f"{ROUTES} -k on_record",
    ),
    Mutant(
        "exports: what was sought is not on record",
        SERVICE,
        'name: "…" if name == "q" else _plain(value)',
        "name: _plain(value)",
        f"{ROUTES} -k not_what_was_sought",
    ),
    Mutant(
        "exports: there are few at a time",
        SERVICE,
        "    if not slots.acquire(blocking=False):\n        raise ExportsBusy\n",
        "    slots = BoundedSemaphore()\n    slots.acquire()\n",
        f"{SERVICE_TESTS} -k third_is_refused",
    ),
    Mutant(
        "exports: a place is given back",
        SERVICE,
        "        slots.release()\n",
        "        pass\n",
        f"{SERVICE_TESTS} -k not_read_to_its_end",
    ),
    Mutant(
        "exports: a small pool has few places",
        SERVICE,
        "settings.database_pool_size // OF_THE_POOL",
        "settings.database_pool_size",
        f"{SERVICE_TESTS} -k most_of_the_pool",
    ),
    Mutant(
        "exports: PostgreSQL waits",
        SERVICE,
        "                view.execute(_allow_idleness).all()\n",
        "",
        f"{SERVICE_TESTS} -k takes_long",
    ),
    Mutant(
        "exports: some rows at a time",
        SERVICE,
        "yield rows.partitions(ROWS_AT_ONCE)",
        "yield iter([rows.all()])",
        f"{CLI} -k memory",
    ),
    Mutant(
        "exports: what meets the filters",
        LISTING,
        "rows = self.shown.where(*self._conditions(frozenset(values)))",
        "rows = self.shown",
        f"{ROUTES} -k record_for_record",
    ),
    Mutant(
        "exports: in the order of the list",
        LISTING,
        "return rows.order_by(*order.by(order.columns)), values",
        "return rows, values",
        f"{ROUTES} -k record_for_record",
    ),
    Mutant(
        "exports: in the order that was asked for",
        SERVICE,
        'oldest_come_first=sort == "oldest"',
        "oldest_come_first=False",
        f"{ROUTES} -k record_for_record",
    ),
    Mutant(
        "exports: a body that nobody began is closed",
        STREAMED,
        "        self._opened.close()\n",
        "        pass\n",
        f"{STREAMED_TESTS} -k begun_or_not",
    ),
    Mutant(
        "exports: who asks for the head takes nothing",
        STREAMED,
        'if asked.method == "HEAD"',
        "if False",
        f"{ROUTES} -k head",
    ),
    Mutant(
        "exports: what breaks off is reset",
        STREAMED,
        "                self._client.close()\n",
        "                pass\n",
        f"{NETWORK} -k taken_for_whole",
    ),
    Mutant(
        "exports: what ends with its process is reset",
        STREAMED,
        "socket.SO_LINGER, RESET)",
        "socket.SO_LINGER, IN_ORDER)",
        f"{NETWORK} -k ends_no_file",
    ),
    Mutant(
        "exports: what is whole is not",
        STREAMED,
        "socket.SO_LINGER, IN_ORDER)",
        "socket.SO_LINGER, RESET)",
        f"{NETWORK} -k slower_than",
    ),
    Mutant(
        "exports: nobody is waited for without end",
        STREAMED,
        "            self._client.settimeout(PATIENCE_SECONDS)\n",
        "",
        f"{NETWORK} -k stop_reading",
    ),
    Mutant(
        "exports: a cell is safe",
        CSV,
        "return text if is_number else made_safe(text)",
        "return text",
        "tests/routes/test_exported_cells.py",
    ),
    Mutant(
        "exports: full width is run as well",
        TEXT,
        '    *("\\N{FULLWIDTH EQUALS SIGN}", "\\N{FULLWIDTH PLUS SIGN}"),\n',
        "",
        f"{CSV_TESTS} -k begins_with",
    ),
    Mutant(
        "exports: what a semicolon parts is a cell",
        TEXT,
        "        text = SPLIT_OFF.sub(",
        "        SPLIT_OFF.sub(",
        f"{CSV_TESTS} -k another_spreadsheet",
    ),
    Mutant(
        "exports: behind quotes as well",
        TEXT,
        '(?="*[',
        "(?=[",
        f"{CSV_TESTS} -k however_cells_are_parted",
    ),
    Mutant(
        "exports: numbers stay numbers",
        CSV,
        "isinstance(part.field, NUMBERS)",
        "False",
        f"{CSV_TESTS} -k stay_numbers",
    ),
    Mutant(
        "exports: whoever reads the beginning is told nothing",
        COMMAND,
        "        except BrokenPipeError:\n"
        "            raise  # whoever reads has read enough: click ends without a word\n",
        "",
        f"{CLI} -k without_a_word",
    ),
)
