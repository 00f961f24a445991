"""The guards around the console."""

from tests.mutants import Mutant

AUTH = "app/services/auth.py"
LIFETIMES = "app/services/lifetimes.py"
SESSION = "app/console/session.py"
FORGERY = "app/console/forgery.py"
PAGE = "app/console/page.py"
DOOR = "app/console/door.py"
TOLD = "app/console/told.py"
REVIEW = "app/services/review.py"
HONEYPOT = "app/services/honeypot.py"
HEADERS = "app/web/headers.py"
NAMES = "app/services/names.py"
RECENT = "app/services/recent.py"

AT_CONSOLE = (
    Mutant(
        "the console is for staff",
        AUTH,
        "        if at_console and user.role == Role.APPLICANT:",
        "        if False:",
        "tests/console/test_session.py -k kindly",
    ),
    Mutant(
        "whoever was demoted leaves the console",
        PAGE,
        "    if not actor.is_staff:",
        "    if False:",
        "tests/console/test_session.py -k demotion",
    ),
    Mutant(
        "a console session ends when it is not used",
        AUTH,
        "lifetimes.at_console() if at_console else lifetimes.over_the_api()",
        "lifetimes.over_the_api()",
        "tests/console/test_session.py -k half_an_hour",
    ),
    Mutant(
        "a console session in use goes on",
        AUTH,
        "    if at_console:\n        lifetimes.prolong",
        "    if False:\n        lifetimes.prolong",
        "tests/console/test_session.py -k half_an_hour",
    ),
    Mutant(
        "a console session ends after a day's work",
        LIFETIMES,
        "min(now() + at_console(), came_at + LONGEST_AT_THE_CONSOLE)",
        "now() + at_console()",
        "tests/console/test_session.py -k busy",
    ),
    Mutant(
        "the use of a console session is noted once a minute",
        LIFETIMES,
        "    if goes_at > until - USE_NOTED_EVERY:",
        "    if False:",
        "tests/console/test_session.py -k noted_once",
    ),
    Mutant(
        "the console's cookie is signed",
        SESSION,
        'signer("console session").loads(cookie)',
        'signer("console session").loads_unsafe(cookie)[1]',
        "tests/console/test_session.py -k signature_was_changed",
    ),
    Mutant(
        "the console's cookie is signed for nothing else",
        SESSION,
        "salt=purpose, ",
        "",
        "tests/console/test_session.py -k no_other_signature",
    ),
    Mutant(
        "the console's cookie is for no script",
        SESSION,
        'value, secure=_is_secure(), httponly=True, samesite="Lax", path="/"',
        'value, secure=_is_secure(), samesite="Lax", path="/"',
        "tests/console/test_session.py -k for_no_script",
    ),
    Mutant(
        "the console's cookie travels over TLS alone",
        SESSION,
        "    return config.current().is_exposed",
        "    return False",
        "tests/console/test_session.py -k over_tls_alone",
    ),
    Mutant(
        "the session from before the log-in ends",
        DOOR,
        "        auth.log_out(former)",
        "        pass",
        "tests/console/test_session.py -k 'its_own or planted'",
    ),
    Mutant(
        "the log-in leads to the console alone",
        DOOR,
        'return there if is_plain and there.startswith(home) and "//" not in there else home',
        "return there or home",
        "tests/console/test_session.py -k nowhere_else",
    ),
    Mutant(
        "a form has its token",
        FORGERY,
        "    if not hmac.compare_digest(sent.encode(), token().encode()):",
        "    if False:",
        "tests/console/test_forgery.py -k without_its_token",
    ),
    Mutant(
        "a token is of one session",
        FORGERY,
        'f"console form {anchor}"',
        '"console form"',
        "tests/console/test_forgery.py -k without_its_token",
    ),
    Mutant(
        "a form is from here",
        FORGERY,
        "    if not _is_here(source, asked.host):",
        "    if False:",
        "tests/console/test_forgery.py -k from_elsewhere",
    ),
    Mutant(
        "a form is from here, and not from a host that begins alike",
        FORGERY,
        "named.netloc.lower() == host.lower()",
        "named.netloc.lower().startswith(host.lower())",
        "tests/console/test_forgery.py -k from_elsewhere",
    ),
    Mutant(
        "forms are looked at before anything is done",
        PAGE,
        "                forgery.must_be_ours(request)",
        "                pass",
        "tests/console/test_forgery.py -k everywhere",
    ),
    Mutant(
        "a form is done once",
        PAGE,
        "if sent is None or not idempotency.KEY.fullmatch(key):",
        "if True:",
        "tests/console/test_work.py -k 'sent_twice or for_twice'",
    ),
    Mutant(
        "a form is of the version that its page showed",
        PAGE,
        "actor = replace(actor, if_match=f'\"{sent[forms.TAG]}\"')",
        "pass",
        "tests/console/test_work.py -k outdated",
    ),
    Mutant(
        "decisions are of the version that the queue showed",
        REVIEW,
        "_decided(replace(actor, if_match=tag), ref, decision, reason)",
        "_decided(actor, ref, decision, reason)",
        "tests/console/test_review.py -k many_are_decided",
    ),
    Mutant(
        "an officer's forged decision is refused as a whole",
        REVIEW,
        "    except Forbidden:\n        raise\n",
        "",
        "tests/console/test_review.py -k forging",
    ),
    Mutant(
        "messages of the console are its own",
        TOLD,
        'loads(asked.cookies.get(session.name_of(COOKIE), ""))',
        'loads_unsafe(asked.cookies.get(session.name_of(COOKIE), ""))[1] or []',
        "tests/console/test_escaping.py -k making",
    ),
    Mutant(
        "users are known by name to admins alone",
        NAMES,
        "    if not ids or not actor.is_admin:",
        "    if not ids:",
        "tests/console/test_names.py",
    ),
    Mutant(
        "the honeypot writes down so much a minute",
        HONEYPOT,
        "        if (db.session.scalar(recent) or 0) >= EACH_MINUTE:",
        "        if False:",
        "tests/console/test_honeypot.py -k within_a_minute",
    ),
    Mutant(
        "the honeypot writes down one at a time",
        HONEYPOT,
        "        if not db.session.scalar(select(func.pg_try_advisory_xact_lock(LOCK))):",
        "        if False:",
        "tests/console/test_honeypot.py -k waits_for_no_other",
    ),
    Mutant(
        "the honeypot keeps so much",
        HONEYPOT,
        "        _forget_the_oldest()\n    return",
        "    return",
        "tests/console/test_honeypot.py -k make_room",
    ),
    Mutant(
        "what the honeypot keeps is defused",
        HONEYPOT,
        "each if each.isprintable() else UNSEEN",
        'each if each != "\\0" else UNSEEN',
        "tests/console/test_honeypot.py -k written_down_and",
    ),
    Mutant(
        "the honeypot raises nothing",
        HONEYPOT,
        "    with suppress(DomainError, PoolTimeout):\n        kept",
        "    if True:\n        kept",
        "tests/console/test_honeypot.py -k without_a_database",
    ),
    Mutant(
        "pages run no script but ours",
        HEADERS,
        "script-src 'self'; ",
        "script-src 'self' 'unsafe-inline'; ",
        "tests/console/test_headers.py",
    ),
    Mutant(
        "nobody frames our pages",
        HEADERS,
        "frame-ancestors 'none'; ",
        "",
        "tests/console/test_headers.py",
    ),
    Mutant(
        "the newest applications alone are looked at",
        RECENT,
        "query.limit(literal_column(str(NEWEST)))",
        "query",
        "tests/services/test_recent.py -k newest_are",
    ),
    Mutant(
        "admins without a second factor set one up before they work at the console",
        PAGE,
        "session.caller(request, needs_totp=needs_totp)",
        "session.caller(request, needs_totp=False)",
        "tests/console/test_second_factor.py -k until_then",
    ),
    Mutant(
        "admins without a second factor may log in anew",
        DOOR,
        "session.caller(request, needs_totp=False)",
        "session.caller(request)",
        "tests/console/test_second_factor.py -k left_to_them",
    ),
    Mutant(
        "guesses at a second factor stay counted",
        "app/console/second_factor.py",
        "again=show, told=TOLD, needs_totp=False)\ndef confirm(",
        "again=show, told=TOLD, needs_totp=False, once=True)\ndef confirm(",
        "tests/console/test_second_factor.py -k limited_and_change",
    ),
    Mutant(
        "a code that was sent is not shown again",
        "app/console/templates/console/macros.html",
        ' and autocomplete != "one-time-code"',
        "",
        "tests/console/test_second_factor.py -k not_shown_again",
    ),
    Mutant(
        "a file has what its list has",
        "app/console/layout.py",
        "urlencode(_asked_but(PAGING))",
        "urlencode([])",
        "tests/console/test_exports.py -k whole_with_its_filters",
    ),
    Mutant(
        "answered flags are shown to who sees the loan",
        "app/services/clearances.py",
        "FraudFlag.loan_id.in_(seen)",
        "FraudFlag.loan_id == loan_id",
        "tests/services/test_clearances.py",
    ),
)
