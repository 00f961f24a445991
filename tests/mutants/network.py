"""What holds when a connection breaks, or is PgBouncer's and not the service's own."""

from tests.mutants import Mutant

CONNECTED = (
    Mutant(
        "a connection that broke is a database that is away",
        "app/refusals.py",
        "    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):\n"
        "        return DatabaseAway()\n",
        "",
        "tests/network/test_cut_connections.py -k depositing",
    ),
    Mutant(
        "an answer is kept in the transaction of its effect",
        "app/services/idempotency.py",
        "        if made is not None:\n",
        "        if False:\n",
        "tests/network/test_cut_connections.py -k 'replayed and depositing'",
    ),
    Mutant(
        "no worker takes what another has a thread free for",
        "fair_worker.py",
        "return self.most_connections if busy < self.cfg.threads else 0",
        "return self.most_connections",
        "tests/network/test_fair_workers.py",
    ),
    Mutant(
        "what the kernel accepted is answered, though the service ends",
        "fair_worker.py",
        "if self.leaves_at is not None and not self.alive:",
        "if False:",
        "tests/network/test_clean_shutdown.py -k dropped",
    ),
    Mutant(
        "the end is told before anybody is turned away",
        "fair_worker.py",
        "            told.set()\n",
        "            pass\n",
        "tests/network/test_clean_shutdown.py -k dropped",
    ),
    Mutant(
        "whoever heard of the end is served for a while",
        "fair_worker.py",
        "self.leaves_at or monotonic() + self.notice_seconds",
        "monotonic()",
        "tests/network/test_clean_shutdown.py -k dropped",
    ),
    Mutant(
        "workers that are replaced close the socket to nobody",
        "fair_worker.py",
        "if self.alive and self.service_ends[0]:",
        "if self.alive:",
        "tests/network/test_clean_shutdown.py -k replaced",
    ),
    Mutant(
        "no connection is made that nobody will accept",
        "fair_worker.py",
        "    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, told)\n",
        "",
        "tests/network/test_clean_shutdown.py -k kernel",
    ),
    Mutant(
        "no prepared statements behind PgBouncer",
        "app/connections.py",
        '"prepare_threshold": None',
        '"prepare_threshold": 0',
        "tests/network/test_pgbouncer.py -k movement",
    ),
    Mutant(
        "a transaction's limits behind PgBouncer",
        "app/db.py",
        "            if settings.database_behind_pgbouncer:\n"
        "                session.connection().execute(connections.set_limits(settings))\n",
        "",
        "tests/network/test_pgbouncer.py -k limits",
    ),
    Mutant(
        "a transaction's limits are gone with it",
        "app/connections.py",
        "func.set_config(name, value, True)",
        "func.set_config(name, value, False)",
        "tests/network/test_pgbouncer.py -k limits",
    ),
    Mutant(
        "UTC behind PgBouncer",
        "app/engines.py",
        'event.listen(engine, "connect", connections.speak_utc)',
        "pass",
        "tests/network/test_pgbouncer.py -k months",
    ),
    Mutant(
        "without a connection to spare the service says so",
        "app/web/problems.py",
        "    app.register_error_handler(PoolTimeout, _no_connection)\n",
        "",
        "tests/web/test_problems.py -k payments",
    ),
    Mutant(
        "a disk without room is a database that is away",
        "app/refusals.py",
        "    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):\n",
        '    if isinstance(cause, psycopg.OperationalError) and state != "53100":\n',
        "tests/network/test_full_disk.py tests/test_db.py -k 'full_disk or 53100'",
    ),
)
