"""The guards around second factors."""

from tests.mutants import Mutant

AUTH = "app/services/auth.py"
PROOFS = "app/services/proofs.py"
FACTORS = "app/services/second_factors.py"
CODES = "app/services/one_time_passwords.py"
SEALING = "app/services/sealing.py"
RULE = "app/rules/totp.py"
USERS = "app/services/users.py"
TESTS = "tests/routes/test_totp.py"

SECOND_FACTORS = (
    Mutant(
        "a log-in takes a code",
        PROOFS,
        "    if not user.has_totp:\n        return True\n",
        "    if True:\n        return True\n",
        f"{TESTS} -k code_is_required",
    ),
    Mutant(
        "the user's lock at a log-in with a code",
        PROOFS,
        "db.session.refresh(user, with_for_update=True)",
        "db.session.refresh(user)",
        f"{TESTS} -k 'one_code_at_once or one_recovery_code_at_once'",
    ),
    Mutant(
        "a code counts from its step on",
        RULE,
        "return step if after is None or step > after else None",
        "return step",
        f"tests/rules/test_totp.py {TESTS} -k 'works_once or earlier_one'",
    ),
    Mutant(
        "the code itself is used up",
        RULE,
        "step > after",
        "step >= after",
        f"{TESTS} -k code_works_once",
    ),
    Mutant(
        "one step aside",
        RULE,
        "STEPS_ASIDE = 1",
        "STEPS_ASIDE = 2",
        "tests/rules/test_totp.py",
    ),
    Mutant(
        "the step of the code that was taken is stored",
        CODES,
        "        user.totp_step = step\n",
        "        pass\n",
        f"{TESTS} -k 'code_works_once or confirmed_opens_nothing'",
    ),
    Mutant(
        "a recovery code works once",
        CODES,
        "    user.recovery_digests = left\n",
        "",
        f"{TESTS} -k each_recovery_code",
    ),
    Mutant(
        "new recovery codes kill the former",
        CODES,
        "    user.recovery_digests = [_digest(secret, code) for code in codes]",
        "    user.recovery_digests = [\n"
        "        *(user.recovery_digests or ()), *(_digest(secret, code) for code in codes)\n    ]",
        f"{TESTS} -k kill_the_former",
    ),
    Mutant(
        "nothing is left of a second factor that ended",
        CODES,
        "user.totp_enabled_at = user.recovery_digests = None",
        "user.totp_enabled_at = None",
        f"{TESTS} -k switch_it_off",
    ),
    Mutant(
        "a secret is sealed to its user",
        "app/services/totp_secrets.py",
        'f"totp/{user_id}"',
        '"totp"',
        f"{TESTS} -k own_users_row",
    ),
    Mutant(
        "the former SECRET_KEY opens",
        SEALING,
        "(settings.secret_key, settings.secret_key_former)",
        "(settings.secret_key,)",
        f"{TESTS} -k former_key",
    ),
    Mutant(
        "what the former SECRET_KEY opened is sealed under the present one",
        CODES,
        "    user.totp_secret = totp_secrets.sealed(user.id, secret)\n    return True",
        "    return True",
        f"{TESTS} -k former_key",
    ),
    Mutant(
        "a second factor confirmed during a log-in",
        PROOFS,
        "            User.totp_enabled_at.is_not_distinct_from(user.totp_enabled_at),\n",
        "",
        f"{TESTS} -k confirmed_meanwhile",
    ),
    Mutant(
        "a wrong code counts as a wrong password",
        PROOFS,
        "    login_failures.count(guesses)\n",
        "",
        f"{TESTS} -k counted_together",
    ),
    Mutant(
        "codes sent at once are judged in turn",
        PROOFS,
        "    login_failures.must_be_few(guesses)\n    if otp",
        "    if otp",
        f"{TESTS} -k 'sent_at_once_are_no_more or learns_nothing'",
    ),
    Mutant(
        "a session's wrong codes count",
        FACTORS,
        "    login_failures.count(failures)\n",
        "",
        f"{TESTS} -k wrong_codes_are_counted",
    ),
    Mutant(
        "a session's codes are few",
        FACTORS,
        "    login_failures.must_be_few(failures)\n",
        "",
        f"{TESTS} -k 'in_a_session_are_no_more or in_turn'",
    ),
    Mutant(
        "a right password forgives no wrong codes",
        FACTORS,
        "login_failures.of_second_factor(user.id)",
        "login_failures.of_password_change(user.id)",
        f"{TESTS} -k forgives_no_wrong_codes_of_a_session",
    ),
    Mutant(
        "one budget for a session's wrong passwords",
        USERS,
        "        login_failures.add(failures)\n        raise WrongPassword",
        "        raise WrongPassword",
        f"{TESTS} -k wherever_a_session_asks",
    ),
    Mutant(
        "setting up takes the password",
        FACTORS,
        "    proven = users.find_proven(actor, current_password).password_hash\n"
        "    with transaction():\n        user = users.lock_proven(actor, proven)\n"
        "        if user.has_totp:",
        "    with transaction():\n        user = users.find(actor, actor.id, lock=True)\n"
        "        if user.has_totp:",
        f"{TESTS} -k takes_the_password",
    ),
    Mutant(
        "an active second factor stays",
        FACTORS,
        "        if user.has_totp:\n            raise TotpActive\n        secret",
        "        secret",
        f"{TESTS} -k not_replaced",
    ),
    Mutant(
        "the user's lock at a confirmation",
        FACTORS,
        "        user = users.find(actor, actor.id, lock=True)\n        if user.has_totp:",
        "        user = users.find(actor, actor.id)\n        if user.has_totp:",
        f"{TESTS} -k confirm_with_one_code",
    ),
    Mutant(
        "a confirmation ends the other sessions",
        FACTORS,
        "            auth.end_sessions(LoginSession.user_id == actor.id, "
        "LoginSession.id != actor.session_id)\n",
        "",
        f"{TESTS} -k other_sessions",
    ),
    Mutant(
        "nobody takes their own away without a code",
        FACTORS,
        "    if user_id == actor.id:\n        raise OwnSecondFactor\n",
        "",
        f"{TESTS} -k not_ones_own",
    ),
    Mutant(
        "only admins take another's away",
        FACTORS,
        "    actor.must_be_admin()\n    if user_id",
        "    if user_id",
        f"{TESTS} -k nobody_else",
    ),
    Mutant(
        "an admin has to have a second factor",
        AUTH,
        "        raise SecondFactorRequired\n",
        "        pass\n",
        "tests/routes/test_admins_totp.py",
    ),
    Mutant(
        "a new route is closed to admins without one",
        "app/web/terms.py",
        "    needs_totp: bool = True\n",
        "    needs_totp: bool = False\n",
        "tests/test_second_factor_required.py",
    ),
    Mutant(
        "a second factor is whole",
        "migrations/versions/0010_second_factors.py",
        "ADD CONSTRAINT ck_users_totp_whole CHECK ({WHOLE}) NOT VALID",
        "ADD CONSTRAINT ck_users_totp_whole CHECK (true) NOT VALID",
        "tests/models/test_constraints.py -k second_factor",
    ),
)
