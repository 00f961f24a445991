"""The guards around credentials."""

from tests.mutants import Mutant

AUTH = "app/services/auth.py"
PROOFS = "app/services/proofs.py"
USERS = "app/services/users.py"
FAILURES = "app/services/login_failures.py"
PASSWORDS = "app/services/passwords.py"
KEYS = "app/services/api_keys.py"
TOKENS = "app/web/tokens.py"
IDENTITY = "app/web/identity.py"

SIGNING_IN = (
    Mutant(
        "one first admin",
        USERS,
        "            _lock_bootstrap()\n            if",
        "            if",
        "tests/routes/test_registration.py -k fifty",
    ),
    Mutant(
        "registering oneself grants no role",
        USERS,
        "        if wanted not in (None, Role.APPLICANT):",
        "        if False:",
        "tests/routes/test_registration.py -k grants_no_other_role",
    ),
    Mutant(
        "the list of common passwords",
        PASSWORDS,
        "if settings.is_exposed and password.casefold() in _common():",
        "if False:",
        "tests/routes/test_registration.py -k common_passwords",
    ),
    Mutant(
        "hashes within the bound",
        PASSWORDS,
        "    with _slot():\n        return",
        "    if settings:\n        return",
        "tests/services/test_passwords.py",
    ),
    Mutant(
        "matches within the bound",
        PASSWORDS,
        "    with _slot():\n        stand_in",
        "    if settings:\n        stand_in",
        "tests/services/test_passwords.py",
    ),
    Mutant(
        "an unknown user costs a hash",
        PROOFS,
        "known = passwords.matches(password, user.password_hash if user else None)",
        "known = user is not None and passwords.matches(password, user.password_hash)",
        "tests/routes/test_login.py -k costs_the_same",
    ),
    Mutant(
        "a disabled user does not log in",
        PROOFS,
        " or not user.is_active:",
        ":",
        "tests/routes/test_login.py -k one_body",
    ),
    Mutant(
        "the hash that was matched is still the user's",
        PROOFS,
        "            User.password_hash == proven,\n",
        "",
        "tests/routes/test_login.py -k replaced_while",
    ),
    Mutant(
        "the user is still active when the session opens",
        PROOFS,
        "            User.password_hash == proven,\n            User.is_active,\n",
        "            User.password_hash == proven,\n",
        "tests/routes/test_login.py -k disabled_while",
    ),
    Mutant(
        "failures are looked at",
        AUTH,
        "    login_failures.must_be_few(guesses)\n    user = ",
        "    user = ",
        "tests/routes/test_login.py -k not_looked_at",
    ),
    Mutant(
        "failures are counted as users are found",
        "app/services/digests.py",
        "func.lower(name)",
        "name.casefold()",
        "tests/routes/test_login.py -k spellings",
    ),
    Mutant(
        "failures at once are no more than in turn",
        FAILURES,
        "        where=ends_at <= at + _window(),\n",
        "",
        "tests/routes/test_login.py -k sent_at_once",
    ),
    Mutant(
        "a right guess among too many",
        AUTH,
        "            login_failures.forget(guesses)\n",
        "",
        "tests/routes/test_login.py -k 'among_too_many or forgives'",
    ),
    Mutant(
        "the session's lock at a refresh",
        AUTH,
        "        .with_for_update(of=LoginSession)\n",
        "",
        "tests/routes/test_sessions.py -k twenty_times",
    ),
    Mutant(
        "a refresh token works once",
        AUTH,
        "is_reused = session.refresh_id != refresh_id",
        "is_reused = False",
        "tests/routes/test_sessions.py -k comes_back",
    ),
    Mutant(
        "an ended session is over",
        AUTH,
        "        LoginSession.ended_at.is_(None),\n        LoginSession.expires_at > bindparam",
        "        LoginSession.expires_at > bindparam",
        "tests/routes/test_sessions.py -k logs_out",
    ),
    Mutant(
        "an ended session is over under load, too",
        AUTH,
        "        LoginSession.ended_at.is_(None),\n        LoginSession.expires_at > bindparam",
        "        LoginSession.expires_at > bindparam",
        "tests/network/test_revocation.py",
    ),
    Mutant(
        "an inactive user's session is over",
        AUTH,
        '        User.id == bindparam("user_id"),\n        User.is_active,\n',
        '        User.id == bindparam("user_id"),\n',
        "tests/routes/test_sessions.py -k inactive",
    ),
    Mutant(
        "every claim must be there",
        TOKENS,
        "        if not claims.keys() >= CLAIMS:",
        "        if False:",
        "tests/routes/test_forged_credentials.py -k other_claims",
    ),
    Mutant(
        "tokens: clocks may be a little apart",
        "app/web/tokens.py",
        '        "JWT_DECODE_LEEWAY": CLOCKS_APART,\n',
        "",
        "tests/routes/test_forged_credentials.py -k clock_is_ahead",
    ),
    Mutant(
        "the token's issuer",
        TOKENS,
        '        "JWT_DECODE_ISSUER": settings.jwt_issuer,\n',
        "",
        "tests/routes/test_forged_credentials.py -k 'other_claims or another_service'",
    ),
    Mutant(
        "the token's audience",
        TOKENS,
        '        "JWT_DECODE_AUDIENCE": settings.jwt_audience,\n',
        "",
        "tests/routes/test_forged_credentials.py -k 'other_claims or another_service'",
    ),
    Mutant(
        "the token's key",
        TOKENS,
        'find(header.get("kid"))',
        'find("1")',
        "tests/routes/test_signing_keys.py -k 'own_name or nobody_made'",
    ),
    Mutant(
        "the token's type",
        TOKENS,
        "if bearer.type not in expected:",
        "if False:",
        "tests/routes/test_sessions.py -k 'takes_no_access_token or opens_nothing_else'",
    ),
    Mutant(
        "a token that was proven before still ends with its time",
        TOKENS,
        "    if bearer.expires_at <= time():",
        "    if False:",
        "tests/routes/test_forged_credentials.py -k proven_before",
    ),
    Mutant(
        "one credential a request",
        IDENTITY,
        "    if authorization is not None and api_key is not None:",
        "    if False:",
        "tests/routes/test_forged_credentials.py -k two_credentials",
    ),
    Mutant(
        "the admins' lock",
        USERS,
        "query.with_for_update()))",
        "query))",
        "tests/routes/test_users.py -k demote_each_other",
    ),
    Mutant(
        "the last admin stays",
        USERS,
        "            raise LastAdmin",
        "            pass",
        "tests/routes/test_users.py -k last_active_admin",
    ),
    Mutant(
        "a new password ends the other sessions",
        USERS,
        "        auth.end_sessions(LoginSession.user_id == actor.id, "
        "LoginSession.id != actor.session_id)\n",
        "",
        "tests/routes/test_password_change.py -k other_sessions",
    ),
    Mutant(
        "a new password replaces the one that was matched",
        USERS,
        "    if user.password_hash != proven:",
        "    if False:",
        "tests/routes/test_password_change.py -k two_changes_at_once",
    ),
    Mutant(
        "a revoked key is refused",
        KEYS,
        "        ApiKey.revoked_at.is_(None),\n        or_",
        "        or_",
        "tests/routes/test_api_keys.py -k revoked_key_is_refused",
    ),
    Mutant(
        "a key expires",
        KEYS,
        '        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > bindparam("now")),\n',
        "",
        "tests/routes/test_api_keys.py -k expires",
    ),
)
