"""The guards of imports: of what is taken in, of who works on it, and of what a line becomes."""

from tests.mutants import Mutant

CUTTING = "app/services/imports/cutting.py"
RECEIVING = "app/services/imports/receiving.py"
STATEMENTS = "app/services/imports/statements.py"
CHUNKS = "app/services/imports/chunks.py"
AT_WORK = "app/services/imports/working.py"
SIGHT = "app/services/imports/sight.py"
UPLOADS = "app/web/uploads.py"
MIGRATION = "migrations/versions/0009_imports.py"

CUT = "tests/services/imports/test_cutting.py"
MODEL = "tests/services/imports/test_against_a_model.py"
RECEIVED = "tests/services/imports/test_receiving.py"
WORKING = "tests/services/imports/test_working.py"
ROUTES = "tests/routes/test_imports.py"
MIGRATED = "tests/test_migrations.py"

_CUTTING = (
    Mutant(
        "imports: text in UTF-8 alone",
        CUTTING,
        '("strict").decode',
        '("replace").decode',
        f"{CUT} -k no_text",
    ),
    Mutant("imports: NUL", CUTTING, 'if b"\\0" in piece:', "if False:", f"{CUT} -k no_text"),
    Mutant(
        "imports: a byte order mark",
        CUTTING,
        'getincrementaldecoder("utf-8-sig")',
        'getincrementaldecoder("utf-8")',
        f"{CUT} -k byte_order_mark",
    ),
    Mutant(
        "imports: of a line without an end only the beginning is held",
        CUTTING,
        "        rest = rest[: LONGEST_LINE + 2]\n",
        "",
        f"{CUT} -k little_is_held",
    ),
    Mutant(
        "imports: of long lines only the beginning is held",
        CUTTING,
        "TOO_LONG + line[:LONGEST_LINE]",
        "TOO_LONG + line",
        f"{CUT} -k little_is_held",
    ),
    Mutant(
        "imports: lines that are too long",
        CUTTING,
        "    if max(map(len, lines)) <= LONGEST_LINE:",
        "    if True:",
        f"{CUT} -k too_long",
    ),
    Mutant(
        "imports: a line that ends in half a line end",
        CUTTING,
        'yield _shortened([rest.removesuffix("\\r")])',
        "yield _shortened([rest])",
        f"{CUT} -k however_the_bytes",
    ),
    Mutant(
        "imports: an open quote",
        CUTTING,
        "csv.reader([line], strict=True)",
        "csv.reader([line])",
        f"{CUT} -k open_quote",
    ),
    Mutant(
        "imports: our own characters in a field",
        CUTTING,
        "SEPARATOR.join(_OURS.sub(SUBSTITUTE, field) for field in fields)",
        "SEPARATOR.join(fields)",
        f"{CUT} -k taken_for_one_of_ours",
    ),
    Mutant(
        "imports: our own characters in a spoiled line",
        CUTTING,
        "return UNCLOSED + _OURS.sub(SUBSTITUTE, line)",
        "return UNCLOSED + line",
        f"{CUT} -k spoiled_line",
    ),
    Mutant(
        "imports: a header is the first line",
        CUTTING,
        "if first_line == 1 and _is_header(lines[0]):",
        "if _is_header(lines[0]):",
        f"{CUT} -k 'header or chunk'",
    ),
    Mutant(
        "imports: no chunk of empty lines",
        CUTTING,
        "for chunk in _chunks(pieces) if chunk.number_of_lines)",
        "for chunk in _chunks(pieces))",
        f"{CUT} -k empty_lines",
    ),
)
_RECEIVING = (
    Mutant(
        "imports: staff alone stage",
        RECEIVING,
        "    actor.must_be_staff()\n    import_id",
        "    import_id",
        f"{RECEIVED} -k applicant",
    ),
    Mutant(
        "imports: what breaks off is forgotten",
        RECEIVING,
        "        forget(import_id)\n        raise",
        "        raise",
        f"{RECEIVED} -k no_row_is_left",
    ),
    Mutant(
        "imports: what was accepted is not forgotten",
        RECEIVING,
        "CustomerImport.id == import_id, CustomerImport.status == ImportStatus.UPLOADING",
        "CustomerImport.id == import_id",
        f"{RECEIVED} -k can_be_forgotten",
    ),
    Mutant(
        "imports: what was accepted is not abandoned",
        RECEIVING,
        ".where(CustomerImport.status == ImportStatus.UPLOADING, silent)",
        ".where(silent)",
        f"{RECEIVED} -k dead_process",
    ),
    Mutant(
        "imports: who sends is not taken for dead",
        RECEIVING,
        ".values(updated_at=func.now())",
        ".values(filename=CustomerImport.filename, updated_at=CustomerImport.updated_at)",
        f"{RECEIVED} -k sender_lives",
    ),
    Mutant(
        "imports: a file that was given up while it came",
        RECEIVING,
        "        if there is None:",
        "        if False:",
        f"{RECEIVED} -k given_up",
    ),
    Mutant(
        "imports: a file that was given up before it is accepted",
        RECEIVING,
        "        if record is None:",
        "        if False:",
        f"{RECEIVED} -k given_up",
    ),
    Mutant(
        "imports: a file without a line",
        RECEIVING,
        "        if not total:",
        "        if False:",
        f"{RECEIVED} -k without_a_line",
    ),
    Mutant(
        "imports: folders in a filename",
        RECEIVING,
        'filename.replace("\\\\", "/").rpartition("/")[2]',
        "filename",
        f"{RECEIVED} -k filename",
    ),
    Mutant(
        "imports: what cannot be shown in a filename",
        RECEIVING,
        "for letter in name if letter.isprintable())",
        "for letter in name)",
        f"{RECEIVED} -k filename",
    ),
    Mutant(
        "imports: handed over after the commit",
        RECEIVING,
        "after_commit(lambda: queue.hand_over(record.id))",
        "queue.hand_over(record.id)",
        f"{RECEIVED} -k hears_of_it",
    ),
    Mutant(
        "imports: nobody sees a file on its way",
        SIGHT,
        "select(CustomerImport).where(CustomerImport.status != ImportStatus.UPLOADING)",
        "select(CustomerImport)",
        f"{RECEIVED} -k seen_by_nobody",
    ),
    Mutant(
        "imports: staff alone look",
        SIGHT,
        "    actor.must_be_staff()\n",
        "",
        f"{ROUTES} -k any_of_the_staff",
    ),
)
_UPLOADS = (
    Mutant(
        "imports: an applicant's file is not read",
        UPLOADS,
        "        actor.must_be_staff()\n        staged",
        "        staged",
        f"{ROUTES} -k applicants_file",
    ),
    Mutant(
        "imports: what was not accepted is forgotten",
        UPLOADS,
        "            self.forget(staged.id)",
        "            pass",
        f"{ROUTES} -k first_came_with_it",
    ),
    Mutant(
        "imports: the largest file",
        UPLOADS,
        "                if size > most:",
        "                if False:",
        f"{ROUTES} -k above_the_limit",
    ),
    Mutant(
        "imports: a body without an end",
        UPLOADS,
        "    request.max_content_length = config.current().max_import_bytes + FRAME_AT_MOST\n",
        "    request.max_content_length = 2**62\n",
        "tests/network/test_cut_uploads.py -k too_large",
    ),
    Mutant(
        "imports: a frame without an end",
        UPLOADS,
        "                if len(decoder.buffer) > FRAME_AT_MOST:",
        "                if False:",
        f"{ROUTES} -k 'no_form or megabyte'",
    ),
    Mutant(
        "imports: a packed body",
        UPLOADS,
        'if request.content_encoding not in (None, "", "identity"):',
        "if False:",
        f"{ROUTES} -k packed",
    ),
    Mutant(
        "imports: another media type",
        UPLOADS,
        'if request.mimetype != "multipart/form-data":',
        "if False:",
        f"{ROUTES} -k another_type",
    ),
    Mutant(
        "imports: a part that is no file",
        UPLOADS,
        "        event = self._ahead or next(self._events)",
        "        event = (self.fields is not None and self._ahead) or next(self._events)",
        f"{ROUTES} -k no_file_of_that_name",
    ),
    Mutant(
        "imports: a part after the file",
        UPLOADS,
        "            case Field() | File():",
        "            case Field() | File() if False:",
        f"{ROUTES} -k 'two_files or another_name'",
    ),
    Mutant(
        "imports: the name of the file's part",
        UPLOADS,
        "        if event.name != PART:",
        "        if False:",
        f"{ROUTES} -k another_name",
    ),
    Mutant(
        "imports: a key is for one file",
        UPLOADS,
        '{"filename": staged.filename, "sha256": staged.digest}',
        '{"filename": staged.filename}',
        f"{ROUTES} -k first_came_with_it",
    ),
    Mutant(
        "imports: the query before the file",
        "app/web/endpoint.py",
        "            return nullcontext()\n        self._arguments(None)\n",
        "            return nullcontext()\n",
        f"{ROUTES} -k before_the_file",
    ),
    Mutant(
        "imports: a value that a terminal would obey",
        "app/schemas/fields/text.py",
        r'defused(UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value))',
        "defused(value)",
        f"{ROUTES} -k no_program_runs_it",
    ),
    Mutant(
        "imports: a value that a spreadsheet would run",
        "app/schemas/fields/text.py",
        "else defused(UNPRINTABLE",
        "else (UNPRINTABLE",
        f"{ROUTES} -k no_program_runs_it",
    ),
    Mutant(
        "imports: an import that is given up is a failure",
        "app/cli/imports.py",
        "    if not done.is_completed:",
        "    if False:",
        "tests/test_cli_imports.py -k given_up",
    ),
    Mutant(
        "imports: on behalf of staff alone",
        "app/services/users.py",
        "    actor.must_be_staff()\n    return actor",
        "    return actor",
        "tests/test_cli_imports.py -k may_not_do_it",
    ),
    Mutant(
        "imports: on behalf of nobody who is gone",
        "app/services/users.py",
        "select(User).where(User.is_active).order_by",
        "select(User).order_by",
        "tests/test_cli_imports.py -k 'may_not_do_it or who_is_active'",
    ),
    Mutant(
        "imports: no customer is called as their path",
        "app/__init__.py",
        '    app.url_map.converters["default"] = Ref\n',
        "",
        f"{ROUTES} -k is_called_as",
    ),
)
_WORKING = (
    Mutant(
        "imports: a lease",
        AT_WORK,
        "or_(ImportPart.leased_until.is_(None), ImportPart.leased_until < func.clock_timestamp())",
        "ImportPart.part >= 0",
        f"{WORKING} -k 'unattended or two_at_once or claimed_once'",
    ),
    Mutant(
        "imports: a lease that is over",
        AT_WORK,
        "or_(ImportPart.leased_until.is_(None), ImportPart.leased_until < func.clock_timestamp())",
        "ImportPart.leased_until.is_(None)",
        f"{WORKING} -k dead_worker",
    ),
    Mutant(
        "imports: what others claim is passed over",
        AT_WORK,
        ".with_for_update(of=ImportPart, skip_locked=True)",
        ".with_for_update(of=ImportPart)",
        f"{WORKING} -k at_work_is_not_claimed",
    ),
    Mutant(
        "imports: the token of a lease",
        CHUNKS,
        "            ImportPart.lease == self.lease,\n",
        "",
        f"{WORKING} -k lost_their_lease",
    ),
    Mutant(
        "imports: the lock of a part",
        CHUNKS,
        "        .with_for_update(of=ImportPart)\n",
        "",
        f"{WORKING} -k at_work_is_not_claimed",
    ),
    Mutant(
        "imports: an import that is over",
        CHUNKS,
        "        .where(claim.is_held(), CustomerImport.status.in_(UNDER_WAY))",
        "        .where(claim.is_held())",
        f"{WORKING} -k given_up_stops",
    ),
    Mutant(
        "imports: the lock of whoever ends last",
        CHUNKS,
        "db.session.scalar(is_held.with_for_update(key_share=True))",
        "db.session.scalar(is_held)",
        f"{WORKING} -k end_at_once",
    ),
    Mutant(
        "imports: finished once",
        CHUNKS,
        ".where(CustomerImport.id == import_id, CustomerImport.status.in_(UNDER_WAY))",
        ".where(CustomerImport.id == import_id)",
        f"{WORKING} -k given_up_stops",
    ),
    Mutant(
        "imports: the other part is not finished",
        CHUNKS,
        "    if db.session.scalar(left.limit(1)) is None:",
        "    if True:",
        f"{WORKING} -k two_at_once",
    ),
    Mutant(
        "imports: nothing is left behind",
        CHUNKS,
        "    for kept in (ImportChunk, ImportedName):",
        "    for kept in ():",
        f"{WORKING} -k 'end_at_once or again_and_again'",
    ),
    Mutant(
        "imports: nobody folds meanwhile",
        CHUNKS,
        "        search.hold_up_folding()\n",
        "",
        f"{WORKING} -k nobody_folds",
    ),
    Mutant(
        "imports: all is folded at the end",
        AT_WORK,
        "        search.fold_all()  #",
        "        pass  #",
        f"{WORKING} -k nobody_folds",
    ),
    Mutant(
        "imports: given up",
        AT_WORK,
        "failures >= MOST_FAILURES:",
        "failures < 0:",
        f"{WORKING} -k again_and_again",
    ),
    Mutant(
        "imports: a chunk that is done ends the count of failures",
        STATEMENTS,
        "    failures = 0,\n",
        "",
        f"{WORKING} -k tried_again",
    ),
    Mutant(
        "imports: an outage is no failure",
        AT_WORK,
        "    except Unavailable:  #",
        "    except NotImplementedError:  #",
        f"{WORKING} -k says_nothing",
    ),
    Mutant(
        "imports: letting go",
        AT_WORK,
        "        raise\n    _let_go(claim)\n",
        "        raise\n",
        f"{WORKING} -k lets_go_at_once",
    ),
    Mutant(
        "imports: stopping at a checkpoint",
        AT_WORK,
        "        while _patiently(claim) and not should_stop():",
        "        while _patiently(claim):",
        f"{WORKING} -k lets_go_at_once",
    ),
    Mutant(
        "imports: a customer deleted at the same moment",
        AT_WORK,
        "except (Contended, DatabaseBusy, ExternalIdTaken):",
        "except (Contended, DatabaseBusy):",
        f"{WORKING} -k deleting",
    ),
    Mutant(
        "imports: a lease is renewed",
        STATEMENTS,
        "    leased_until = clock_timestamp() + %(lasting)s\n",
        "    leased_until = leased_until + 0 * %(lasting)s\n",
        f"{WORKING} -k renewed",
    ),
)
_LINES = (
    Mutant(
        "imports: each line falls to one part",
        STATEMENTS,
        "& {PARTS - 1}) = %(part)s",
        "& 0) = 0 * %(part)s",
        f"{WORKING} -k two_at_once",
    ),
    Mutant(
        "imports: the first of two lines",
        STATEMENTS,
        'ORDER BY external_id COLLATE "C", line',
        'ORDER BY external_id COLLATE "C", line DESC',
        MODEL,
    ),
    Mutant(
        "imports: names that are taken",
        STATEMENTS,
        "    ON CONFLICT (external_id) DO NOTHING RETURNING external_id",
        "    RETURNING external_id",
        MODEL,
    ),
    Mutant(
        "imports: names that are taken, in a dry run",
        STATEMENTS,
        "SELECT FROM customers WHERE customers.external_id = first.external_id",
        "SELECT FROM customers WHERE false",
        MODEL,
    ),
    Mutant(
        "imports: names that an earlier chunk has, in a dry run",
        STATEMENTS,
        "INSERT INTO customer_import_names (import_id, external_id)\n"
        "    SELECT %(import_id)s, external_id FROM first",
        "INSERT INTO customer_import_names (import_id, external_id)\n"
        "    SELECT gen_random_uuid(), external_id FROM first",
        MODEL,
    ),
    Mutant(
        "imports: names of the deleted, in a dry run",
        STATEMENTS,
        "        SELECT FROM retired_external_ids AS retired\n"
        "        WHERE retired.external_id = first.external_id\n    )\n    ON",
        "        SELECT FROM retired_external_ids AS retired WHERE false\n    )\n    ON",
        MODEL,
    ),
    Mutant(
        "imports: a dry run creates nobody",
        CHUNKS,
        "TRY if found.is_dry_run else CREATE",
        "CREATE",
        MODEL,
    ),
    *(
        Mutant(f"imports: what is plain: {what}", STATEMENTS, old, new, MODEL)
        for what, old, new in (
            ("how many fields", "cardinality(fields) IN (2, 3)", "cardinality(fields) >= 2"),
            ("the letters of names", "fields[1] ~ '{NAME}'", "true"),
            ("the length of names", "LONGEST_NAME = 31", "LONGEST_NAME = 60"),
            (
                "words of the paths",
                "lower(fields[1]) NOT IN ('imports', 'export')",
                "fields[1] NOT IN ('imports', 'export')",
            ),
            ("decimals", "[0-9][0-9]?)?$", "[0-9]+)?$"),
            ("the days of February", "2[0-8]", "2[0-9]"),
        )
    ),
    Mutant(
        "imports: names of the deleted",
        MIGRATION,
        "    IF EXISTS (\n        SELECT FROM added JOIN",
        "    IF false AND EXISTS (\n        SELECT FROM added JOIN",
        "tests/routes/test_customers.py tests/test_races.py -k external_id",
    ),
    Mutant(
        "imports: names of the deleted, after the migration",
        MIGRATION,
        "    op.execute(OF_ALL_ROWS)\n",
        "",
        f"{MIGRATED} -k unique",
    ),
    Mutant(
        "imports: names of the deleted, before the migration",
        MIGRATION,
        "    op.execute(OF_EACH_ROW)\n",
        "",
        f"{MIGRATED} -k unique",
    ),
    Mutant(
        "imports: an e-mail and a phone are one customer's, after the migration",
        MIGRATION,
        '("UNIQUE", "(phone)", "phone")',
        '("", "(phone)", "phone")',
        f"{MIGRATED} -k unique",
    ),
    Mutant(
        "imports: tables after the indexes",
        MIGRATION,
        '    _replace_indexes(" WHERE {} IS NOT NULL")\n    _create_tables()\n',
        '    _create_tables()\n    _replace_indexes(" WHERE {} IS NOT NULL")\n',
        f"{MIGRATED} -k broke_off",
    ),
)
IMPORTED = (*_CUTTING, *_RECEIVING, *_UPLOADS, *_WORKING, *_LINES)
