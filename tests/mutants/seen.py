"""The guards around what the service tells of itself."""

from tests.mutants import Mutant

LOGS = "app/web/logs.py"
METRICS = "app/web/metrics.py"
BURIED = "app/web/buried.py"
TRACES = "app/telemetry/traces.py"
FAILURES = "app/telemetry/failures.py"
LOGGED = "tests/web/test_logs.py"
ACROSS = "tests/web/test_metrics.py"
LAID = "tests/web/test_buried.py"
COUNTED = "tests/services/test_counted.py"
TOLD = "tests/services/test_jobs.py"
READ = "tests/routes/test_health.py -k 'metrics or token'"

SEEN = (
    Mutant(
        "log: what slipped into a line is masked",
        LOGS,
        "        return masked(told)\n",
        "        return told\n",
        f"{LOGGED} -k masked",
    ),
    Mutant(
        "log: what is no text is masked as well",
        LOGS,
        "    return masked(str(value))\n",
        "    return str(value)\n",
        f"{LOGGED} -k masked",
    ),
    Mutant(
        "log: nothing steers a terminal",
        LOGS,
        "default=_as_text, separators",
        "default=_as_text, ensure_ascii=False, separators",
        f"{LOGGED} -k terminal",
    ),
    Mutant(
        "log: a URL that gunicorn tells of has no query",
        LOGS,
        'event["event"].partition("?")[0]',
        'event["event"]',
        f"{LOGGED} -k gunicorn",
    ),
    Mutant(
        "metrics: those of all workers",
        METRICS,
        "    if not folder:\n",
        "    if True:\n",
        ACROSS,
    ),
    Mutant(
        "metrics: what the dead counted is kept",
        BURIED,
        "            before, _ = sums.read_value(key)",
        "            before, _ = 0.0, sums.read_value(key)",
        LAID,
    ),
    Mutant(
        "metrics: what the dead counted is counted once",
        BURIED,
        "                counted.unlink()\n",
        "",
        LAID,
    ),
    Mutant(
        "metrics: a file that is torn is taken away",
        BURIED,
        "with suppress(*TORN):",
        "with suppress(KeyError):",
        f"{LAID} -k whole",
    ),
    Mutant(
        "metrics: a file that is being made is passed over",
        METRICS,
        'glob("*.db") if file.stat().st_size]',
        'glob("*.db")]',
        f"{LAID} -k just_making",
    ),
    Mutant(
        "metrics: the master lives on whatever a dead worker left",
        "gunicorn.conf.py",
        "    except Exception:\n        server.log",
        "    except KeyError:\n        server.log",
        "tests/local/test_gunicorn_conf.py -k metrics_folder",
    ),
    Mutant(
        "metrics: nobody is buried while somebody reads",
        BURIED,
        "fcntl.LOCK_SH if by_others else fcntl.LOCK_EX",
        "fcntl.LOCK_SH",
        f"{LAID} -k reads",
    ),
    Mutant(
        "metrics: a proxy does not ask for this machine",
        METRICS,
        "    return not is_forwarded and ",
        "    return ",
        READ,
    ),
    Mutant(
        "metrics: the token comes as bearer",
        METRICS,
        "if token and is_bearer and ",
        "if token and ",
        READ,
    ),
    Mutant(
        "metrics: no token is not an empty one",
        METRICS,
        "if token and is_bearer and ",
        "if is_bearer and ",
        READ,
    ),
    Mutant(
        "metrics: what is streamed is in flight until it is sent",
        METRICS,
        "        return ClosingIterator(answered, IN_FLIGHT.dec)\n",
        "        return answered\n",
        ACROSS,
    ),
    Mutant(
        "metrics: deeds are counted when they are committed",
        "app/services/counted.py",
        "        after_commit(counter.inc)\n",
        "        counter.inc()\n",
        f"{COUNTED} -k rolled_back",
    ),
    Mutant(
        "metrics: what the pool lent, it has back",
        "app/pool.py",
        "            self._in_use.dec()\n",
        "",
        f"{COUNTED} -k pool",
    ),
    Mutant(
        "the pool waits as long as it is told, to the fraction",
        "app/engines.py",
        "cast(MeasuredPool, engine.pool).wait_at_most(settings.database_pool_timeout)",
        "cast(MeasuredPool, engine.pool).wait_at_most(0)",
        f"{COUNTED} -k pool",
    ),
    Mutant(
        "metrics: without a database the rest is told",
        "app/web/jobs.py",
        "except (DatabaseAway, DatabaseBusy, PoolTimeout):",
        "except PoolTimeout:",
        f"{TOLD} -k without_a_database",
    ),
    Mutant(
        "metrics: an import that somebody attends does not wait",
        "app/services/imports/working.py",
        "    return waiting.where(*_free()).scalar_subquery()\n",
        "    return waiting.scalar_subquery()\n",
        f"{TOLD} -k waits_while",
    ),
    Mutant(
        "tasks: each outcome is written down",
        "app/tasks/__init__.py",
        "            jobs.note(do.__name__, outcome, perf_counter() - began_at)\n",
        "",
        f"{TOLD} -k each_outcome",
    ),
    Mutant(
        "tasks: one that cannot be written down is no failure",
        "app/services/jobs.py",
        "with suppress(DatabaseAway, DatabaseBusy, PoolTimeout), transaction():",
        "with transaction():",
        f"{TOLD} -k cannot_be_written_down",
    ),
    Mutant(
        "Sentry: told impersonally",
        FAILURES,
        "        before_send=_impersonal,\n",
        "",
        "tests/telemetry/test_failures.py -k anybodys",
    ),
    Mutant(
        "Sentry: of an error the first line",
        FAILURES,
        '    return masked(str(said or "").partition("\\n")[0])\n',
        '    return masked(str(said or ""))\n',
        "tests/telemetry/test_failures.py -k anybodys",
    ),
    Mutant(
        "traces: told impersonally",
        TRACES,
        "self._exporter.export([_impersonal(span) for span in spans])",
        "self._exporter.export(spans)",
        "tests/telemetry/test_traces.py -k each_statement",
    ),
    Mutant(
        "traces: a stranger's header chooses none",
        TRACES,
        "            remote_parent_sampled=_Drawn(share, ALWAYS_ON),\n",
        "",
        "tests/telemetry/test_traces.py -k share_of_none",
    ),
    Mutant(
        "traces: what goes past cursors as well",
        TRACES,
        "    _trace_past_cursors(provider.get_tracer(__name__))\n",
        "",
        "tests/telemetry/test_traces.py -k each_statement",
    ),
    Mutant(
        "profiles: never where strangers are",
        "app/config/__init__.py",
        'slows it.": settings.profile,',
        'slows it.": False,',
        "tests/telemetry/test_profiles.py -k strangers",
    ),
    Mutant(
        "traces: no path in the name of what has no route",
        TRACES,
        '    if span.kind is SpanKind.SERVER and "http.route" not in kept:\n',
        "    if False:\n",
        "tests/telemetry/test_traces.py -k nobodys_name",
    ),
    Mutant(
        "traces: no stranger keeps out of them",
        TRACES,
        "            remote_parent_not_sampled=_Drawn(share, ALWAYS_OFF),\n",
        "",
        "tests/telemetry/test_traces.py -k nobodys_name",
    ),
    Mutant(
        "figures: a task that never failed has failed nought times",
        "app/web/jobs.py",
        "    for of in sorted(never):\n",
        "    for of in ():\n",
        f"{COUNTED} -k from_the_start",
    ),
    Mutant(
        "figures: this machine is itself in IPv6's form, too",
        METRICS,
        'address_of(asked.remote_addr or "")',
        'ip_address(asked.remote_addr or "0.0.0.0")',
        READ,
    ),
)
