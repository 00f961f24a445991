"""The guards that keep a replica from answering what is old, another's, or nothing."""

from tests.mutants import Mutant

REPLICA = "app/services/replica.py"
TESTS = "tests/network/test_replica.py"

REPLICATED = (
    Mutant(
        "replica: it has replayed what was acknowledged",
        REPLICA,
        "        if not follows or has_replayed or pause is None:\n",
        "        has_replayed = follows\n        if True:\n",
        f"{TESTS} -k 'every_list or reports_and_exports_have'",
    ),
    Mutant(
        "replica: nothing older is remembered under a generation",
        REPLICA,
        "        if not follows or has_replayed or pause is None:\n",
        "        has_replayed = follows\n        if True:\n",
        f"{TESTS} -k under_a_generation",
    ),
    Mutant(
        "replica: one that was promoted is none",
        REPLICA,
        "SELECT pg_is_in_recovery() AND EXISTS",
        "SELECT true OR EXISTS",
        f"{TESTS} -k 'no_replica or another_primary'",
    ),
    Mutant(
        "replica: one of another primary is none",
        REPLICA,
        "           AND system_identifier::text = split_part(%(position)s, ' ', 2),\n",
        "           ,\n",
        f"{TESTS} -k another_primary",
    ),
    Mutant(
        "replica: one that is away is followed by the primary",
        REPLICA,
        "    except (DatabaseAway, PoolTimeout) as cause:\n"
        "        replica.is_found(State.DOWN, cause.__cause__ or cause)\n",
        "    except ZeroDivisionError:\n        pass\n",
        f"{TESTS} -k 'gone or breaks_off'",
    ),
    Mutant(
        "replica: a read that gives way is done by the primary",
        REPLICA,
        "    except Contended:\n        READS",
        "    except ZeroDivisionError:\n        READS",
        f"{TESTS} -k gives_way",
    ),
    Mutant(
        "replica: one that is of no use is left alone",
        REPLICA,
        "            is_time = monotonic() >= self._next_try_at\n",
        "            is_time = True\n",
        f"{TESTS} -k left_alone",
    ),
    Mutant(
        "replica: an outage is told once",
        REPLICA,
        "else is_lasting and not self._is_told",
        "else is_lasting",
        f"{TESTS} -k told_once",
    ),
    Mutant(
        "replica: what writes does not turn to it",
        "app/db.py",
        "    if OPEN in session.info or WHOLE in session.info:\n"
        '        raise RuntimeError("what is',
        '    if False:\n        raise RuntimeError("what is',
        f"{TESTS} -k does_not_turn",
    ),
    Mutant(
        "replica: its state is told though the primary broke off",
        "app/engines.py",
        "        db.session.rollback()  # or",
        "        pass  # or",
        f"{TESTS} -k breaks_off_is_told",
    ),
    Mutant(
        "replica: nothing is written on it",
        "app/db.py",
        "    if ELSEWHERE in session.info:\n",
        "    if False:\n",
        f"{TESTS} -k nothing_is_written",
    ),
    Mutant(
        "replica: lists, reports and exports alone are read from it",
        "app/web/terms.py",
        "        return self.is_list or self.streams or self.table is not None\n",
        "        return not self.reads\n",
        f"{TESTS} -k alone_are_read",
    ),
    Mutant(
        "replica: a primary that is none yet tells no position",
        REPLICA,
        "CASE WHEN NOT pg_is_in_recovery() THEN",
        "CASE WHEN true THEN",
        f"{TESTS} -k being_replaced",
    ),
    Mutant(
        "replica: without one nothing is asked",
        "app/web/endpoint.py",
        "self.may_be_a_replicas and replica.is_set()",
        "self.may_be_a_replicas",
        f"{TESTS} -k without_one",
    ),
    Mutant(
        "replica: one that is busy is passed over",
        REPLICA,
        "except (DatabaseAway, PoolTimeout) as cause:",
        "except DatabaseAway as cause:",
        f"{TESTS} -k no_connection_to_spare",
    ),
    Mutant(
        "replica: one that hangs is told to be down",
        REPLICA,
        '            replica.is_found(State.DOWN, "it gives no answer")\n',
        "            pass\n",
        f"{TESTS} -k hangs",
    ),
    Mutant(
        "replica: its connections are counted apart",
        "app/engines.py",
        '                "pool_logging_name": REPLICA,\n',
        "",
        f"{TESTS} -k no_connection_to_spare",
    ),
    Mutant(
        "replica: what takes too long there is no fault of its",
        REPLICA,
        "except (DatabaseAway, PoolTimeout) as cause:",
        "except (DatabaseAway, DatabaseBusy, PoolTimeout) as cause:",
        f"{TESTS} -k takes_too_long",
    ),
)
