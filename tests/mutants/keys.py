"""The guards around Idempotency-Keys: what is kept, for whom, with what, and how it is read."""

from tests.mutants import Mutant

KEPT, KEYS, DB = "app/services/idempotency.py", "app/web/idempotency.py", "app/db.py"
ON_KEYS, RACES = "tests/routes/test_idempotency.py", "tests/test_money_races.py"

KEYED = (
    Mutant(
        "keys: a second request does not wait for the first with its key",
        KEPT,
        "func.pg_try_advisory_xact_lock(func.hashtextextended(_NAME, 0))",
        "(func.hashtextextended(_NAME, 0) == func.hashtextextended(_NAME, 0))",
        f"{RACES} -k not_kept_waiting",
    ),
    Mutant(
        "keys: another request with the same key is refused",
        KEPT,
        "if kept.fingerprint != fingerprint:",
        "if False:",
        ON_KEYS,
    ),
    Mutant(
        "keys: each caller has their own",
        KEYS,
        "caller = actor.id if actor else _nobody(asked)",
        "caller = _nobody(asked)",
        ON_KEYS,
    ),
    Mutant(
        "keys: who has no name has those of their address",
        KEYS,
        'place_of(asked.remote_addr) if asked.remote_addr else ""',
        '""',
        f"{ON_KEYS} -k nobody_elses",
    ),
    Mutant(
        "keys: another role is told nothing",
        KEYS,
        "query, role, sent]",
        "query, sent]",
        f"{ON_KEYS} -k another_role",
    ),
    Mutant(
        "keys: a refusal whose cause is not in the request is not kept",
        KEYS,
        " and response.status_code not in PASSING",
        "",
        ON_KEYS,
    ),
    Mutant(
        "keys: refusals of nobody in particular are not kept",
        KEYS,
        "return actor is not None and is_short",
        "return is_short",
        "tests/web/test_kept_refusals.py",
    ),
    Mutant(
        "keys: long refusals are not kept",
        KEYS,
        "return actor is not None and is_short",
        "return actor is not None",
        "tests/web/test_kept_refusals.py",
    ),
    Mutant(
        "keys: what is worth another try is not kept",
        KEYS,
        "        if problems.status_of(type(error)) >= 500:\n            raise\n",
        "",
        ON_KEYS,
    ),
    Mutant(
        "keys: answers cannot be read from the table",
        KEYS,
        "AESGCM(self._secret).encrypt(nonce, packed, None)",
        "packed",
        ON_KEYS,
    ),
    Mutant(
        "keys: a number is the same however it is written",
        KEYS,
        'significant = written.rstrip("0")',
        "significant = written",
        ON_KEYS,
    ),
    Mutant(
        "keys: a key is of one path",
        KEYS,
        'asked.path.rstrip("/")',
        '"/"',
        ON_KEYS,
    ),
    Mutant(
        "keys: the deed and its answer are one transaction",
        KEPT,
        "        made = answer()\n        if made is not None:\n            _keep(",
        "        made = answer()\n        from app.db import db; db.session.commit()\n"
        "        if made is not None:\n            _keep(",
        "tests/network/test_cut_connections.py tests/routes/test_idempotency.py",
    ),
    Mutant(
        "keys: a refusal undoes what its service call did",
        DB,
        "    with session.begin_nested():\n        yield session.connection()",
        "    if True:\n        yield session.connection()",
        "tests/test_db.py -k step",
    ),
    Mutant(
        "keys: old answers are swept",
        "app/services/expiry.py",
        "    KeptAnswer.expires_at,\n",
        "",
        ON_KEYS,
    ),
    Mutant(
        "keys: a clock that is ahead forgets none",
        KEPT,
        "CLOCKS_APART = timedelta(minutes=15)",
        "CLOCKS_APART = timedelta(0)",
        f"{ON_KEYS} -k ten_minutes_ahead",
    ),
)
