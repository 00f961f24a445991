"""The guards around telling the admins of flagged loans."""

from tests.mutants import Mutant

NOTICES_PY = "app/services/notices.py"
MAIL = "app/mail.py"
BACKGROUND = "app/background.py"
TESTS = "tests/services/test_notices.py"

NOTICES = (
    Mutant(
        "notices: one a loan",
        NOTICES_PY,
        ".on_conflict_do_nothing()",
        "",
        f"{TESTS} -k flagged_again",
    ),
    Mutant(
        "notices: nobody is woken before the commit",
        NOTICES_PY,
        "after_commit(sender.wake)",
        "sender.wake()",
        f"{TESTS} -k come_to_pass",
    ),
    Mutant(
        "notices: whoever claims one passes over what another claims",
        NOTICES_PY,
        "        .with_for_update(skip_locked=True)\n",
        "",
        f"{TESTS} -k passed_over",
    ),
    Mutant(
        "notices: a claimed one is nobody else's",
        NOTICES_PY,
        "            or_(FlagNotice.claimed_until.is_(None), "
        "FlagNotice.claimed_until < func.now()),\n",
        "",
        f"{TESTS} -k dead_sender",
    ),
    Mutant(
        "notices: a claim runs out",
        NOTICES_PY,
        "or_(FlagNotice.claimed_until.is_(None), FlagNotice.claimed_until < func.now())",
        "FlagNotice.claimed_until.is_(None)",
        f"{TESTS} -k dead_sender",
    ),
    Mutant(
        "notices: what is sent is not sent again",
        NOTICES_PY,
        "            FlagNotice.sent_at.is_(None),\n",
        "",
        f"{TESTS} -k flagged_again",
    ),
    Mutant(
        "notices: only to admins",
        NOTICES_PY,
        "User.role == Role.ADMIN, User.is_active",
        "User.is_active",
        f"{TESTS} -k active_admins",
    ),
    Mutant(
        "notices: only to the active",
        NOTICES_PY,
        "User.role == Role.ADMIN, User.is_active",
        "User.role == Role.ADMIN",
        f"{TESTS} -k active_admins",
    ),
    Mutant(
        "notices: told to nobody is not told",
        NOTICES_PY,
        "        if not claimed.to:",
        "        if False:",
        f"{TESTS} -k no_admin",
    ),
    Mutant(
        "notices: a refused mail holds no other up",
        NOTICES_PY,
        "if not isinstance(failure, mail.Refused):",
        "if True:",
        f"{TESTS} -k holds_no_other_up",
    ),
    Mutant(
        "notices: a server that is away is not asked for every one",
        NOTICES_PY,
        "if not isinstance(failure, mail.Refused):",
        "if False:",
        f"{TESTS} -k stays_due",
    ),
    Mutant(
        "notices: a record writes no line of the mail",
        NOTICES_PY,
        'return " ".join(text.split())',
        "return text",
        f"{TESTS} -k neither_header_nor_line",
    ),
    Mutant(
        "mail: no line break in a header",
        MAIL,
        'subject = " ".join(subject.split())',
        "subject = subject",
        "tests/test_mail.py -k begins_no_header",
    ),
    Mutant(
        "mail: the certificate after STARTTLS",
        MAIL,
        "starttls(context=ssl.create_default_context())",
        "starttls()",
        "tests/test_mail.py -k 'not_trusted or anothers'",
    ),
    Mutant(
        "mail: the certificate from the first byte",
        MAIL,
        "timeout=TIMEOUT, context=trusted",
        "timeout=TIMEOUT",
        "tests/test_mail.py -k 'not_trusted or anothers'",
    ),
    Mutant(
        "mail: patience ends",
        MAIL,
        "smtplib.SMTP(host, port, timeout=TIMEOUT)",
        "smtplib.SMTP(host, port)",
        "tests/test_mail.py -k hangs",
    ),
    Mutant(
        "mail: what was taken is sent",
        MAIL,
        "with suppress(smtplib.SMTPException):",
        "with suppress():",
        "tests/test_mail.py -k good_bye",
    ),
    Mutant(
        "mail: one address that cannot be read",
        MAIL,
        'if each.isascii() or server.has_extn("smtputf8")',
        "if each",
        "tests/test_mail.py -k cannot_read",
    ),
    Mutant(
        "mail: a server's words stay out of the log",
        MAIL,
        "    if isinstance(error, smtplib.SMTPResponseException):",
        "    if False:",
        "tests/test_mail.py -k 'told_from_a_server or not_named'",
    ),
    Mutant(
        "mail: refused addresses stay out of the log",
        MAIL,
        "    if isinstance(error, smtplib.SMTPRecipientsRefused):",
        "    if False:",
        "tests/test_mail.py -k taken_for_nobody",
    ),
    Mutant(
        "mail: an exposed service logs no text",
        MAIL,
        "{} if settings.is_exposed else ",
        "",
        "tests/test_mail.py -k goes_to_the_log",
    ),
    Mutant(
        "background: one thread",
        BACKGROUND,
        "            if self._thread is None or not self._thread.is_alive():",
        "            if True:",
        "tests/test_background.py -k fifty",
    ),
    Mutant(
        "background: a forked process has its own",
        BACKGROUND,
        " or not self._thread.is_alive()",
        "",
        "tests/test_background.py -k forked",
    ),
    Mutant(
        "background: the process ends",
        BACKGROUND,
        "daemon=True",
        "daemon=False",
        "tests/test_background.py -k process_ends",
    ),
    Mutant(
        "background: failing work is done again",
        BACKGROUND,
        "        except Exception:",
        "        except ZeroDivisionError:",
        "tests/test_background.py -k done_again",
    ),
)
