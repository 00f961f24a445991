"""The guards around what is handed over, to Celery's workers or to a thread."""

from tests.mutants import Mutant

QUEUE = "app/queue/__init__.py"
BROKER = "app/queue/broker.py"
TASKS = "app/tasks/__init__.py"
PROCESSES = "app/tasks/processes.py"
EXPIRY = "app/services/expiry.py"
LAUNCHER = "app/local/launcher.py"
HANDED = "tests/workers/test_queue.py"
WORKED = "tests/workers/test_worker.py"
TASKED = "tests/workers/test_tasks.py"
FORGOTTEN = "tests/services/test_expiry.py"

WORKERS = (
    Mutant(
        "workers: nobody waits for the broker",
        QUEUE,
        "        self._handed.append(import_id)\n        self.wake()\n",
        "        self._handed.append(import_id)\n        self._send()\n",
        f"{HANDED} -k hangs",
    ),
    Mutant(
        "workers: what a hanging broker did not take is left to the sweep",
        QUEUE,
        "                self._handed.clear()\n",
        "",
        f"{HANDED} -k hangs",
    ),
    Mutant(
        "workers: an answer of the broker has its time",
        BROKER,
        '    "socket_timeout": ANSWER_SECONDS,\n',
        "",
        f"{HANDED} -k hangs",
    ),
    Mutant(
        "workers: a broker that refuses is not asked for ever",
        BROKER,
        '    "max_retries": 0,\n',
        "",
        f"{HANDED} -k refuses",
    ),
    Mutant(
        "workers: a broker that is away is told once",
        QUEUE,
        "                self._trouble.is_seen(error)\n",
        '                log.warning("the broker is away, and imports wait")\n',
        f"{HANDED} -k says_so_once",
    ),
    Mutant(
        "workers: the broker's certificate",
        BROKER,
        'if settings.broker_url.startswith("rediss:"):',
        "if False:",
        f"{HANDED} -k certificate",
    ),
    Mutant(
        "workers: the settings alone say where the broker is",
        BROKER,
        "        broker_write_url=settings.broker_url,\n",
        "        broker_url=settings.broker_url,\n",
        f"{HANDED} -k settings_alone",
    ),
    Mutant(
        "workers: a process sweeps",
        QUEUE,
        "[*handed, *self.imports.unattended()]",
        "[*handed]",
        f"{HANDED} -k swept_up",
    ),
    Mutant(
        "workers: a process that ends stops at a checkpoint",
        QUEUE,
        "lambda: self._background.is_closed)",
        "lambda: False)",
        f"{HANDED} -k begins_nothing",
    ),
    Mutant(
        "workers: a process that ends begins nothing more",
        QUEUE,
        "        if self._background.is_closed:\n            return\n",
        "",
        f"{HANDED} -k begins_nothing",
    ),
    Mutant(
        "workers: a web worker sweeps at its start",
        "gunicorn.conf.py",
        'for name in ("notices", "tallies", "queue"):',
        'for name in ("notices", "tallies"):',
        f"{HANDED} -k at_its_start",
    ),
    Mutant(
        "workers: a web worker that ends stops at a checkpoint",
        "gunicorn.conf.py",
        '    last = {"queue": LAST_LINES_SECONDS, ',
        "    last = {",
        f"{HANDED} -k at_its_start",
    ),
    Mutant(
        "workers: one that fails holds no other up",
        QUEUE,
        "        except Exception:\n",
        "        except ZeroDivisionError:\n",
        f"{HANDED} -k holds_no_other",
    ),
    Mutant(
        "workers: a message is there until the work is done",
        BROKER,
        "        task_acks_late=True,\n",
        "",
        f"{WORKED} -k outlives",
    ),
    Mutant(
        "workers: a message goes back from a process that died",
        BROKER,
        "        task_reject_on_worker_lost=True,\n",
        "",
        f"{WORKED} -k died_under",
    ),
    Mutant(
        "workers: who is at work has no other message waiting",
        PROCESSES,
        '    "worker_prefetch_multiplier": 1,\n',
        "",
        f"{WORKED} -k lost_message",
    ),
    Mutant(
        "workers: two at once",
        PROCESSES,
        '    "worker_concurrency": 2,\n',
        '    "worker_concurrency": 1,\n',
        f"{WORKED} -k two_at_once",
    ),
    Mutant(
        "workers: a lost broker is waited for",
        BROKER,
        "        broker_connection_max_retries=None,\n",
        "        broker_connection_max_retries=1,\n",
        f"{WORKED} -k outlives",
    ),
    Mutant(
        "workers: one that is told to end has imports stop",
        PROCESSES,
        "        self._told[0] = 1\n",
        "        pass\n",
        f"{WORKED} -k outlives",
    ),
    Mutant(
        "workers: beat does not outlive one that is killed",
        PROCESSES,
        "    set_pdeathsig(signal.SIGKILL)\n",
        "    pass\n",
        f"{WORKED} -k outlives",
    ),
    Mutant(
        "workers: a lost message is handed over again",
        TASKS,
        "        broker.send(waiting.celery, import_id)\n",
        "        pass\n",
        f"{WORKED} -k lost_message",
    ),
    Mutant(
        "workers: what is due is sent",
        TASKS,
        "    celery.conf.beat_schedule = {\n",
        "    celery.conf.of_beat = {\n",
        f"{WORKED} -k beats_start",
    ),
    Mutant(
        "workers: all is due at beat's start",
        TASKS,
        '            "last_run_at": NEVER,\n',
        "",
        f"{WORKED} -k beats_start",
    ),
    Mutant(
        "workers: nothing but the log is written",
        PROCESSES,
        "        os.dup2(nowhere.fileno(), 1)\n",
        "        pass\n",
        f"{WORKED} -k outlives",
    ),
    Mutant(
        "workers: what fails says nothing that is anybody's",
        TASKS,
        '                log.exception("task", extra=came_to(outcome))\n',
        "                raise\n",
        f"{TASKED} -k fails",
    ),
    Mutant(
        "workers: a forked process has connections of its own",
        "app/engines.py",
        "        engine.dispose(close=False)\n",
        "        pass\n",
        f"{TASKED} -k forked",
    ),
    Mutant(
        "workers: beat is felt by what it sent",
        PROCESSES,
        "        signals.after_task_publish.connect(live, weak=False)\n",
        "        live()\n",
        f"{TASKED} -k beats_pulse",
    ),
    Mutant(
        "workers: what begins anew meanwhile is kept",
        EXPIRY,
        ".with_for_update(skip_locked=True)",
        "",
        f"{FORGOTTEN} -k anew",
    ),
    Mutant(
        "workers: the launcher watches its worker",
        LAUNCHER,
        "programs.append(_start_worker(project, environment))",
        "_start_worker(project, environment)",
        "tests/local/test_launcher.py -k worker",
    ),
    Mutant(
        "workers: URLs that Celery reads otherwise",
        "app/config/__init__.py",
        "    if settings.use_celery and not BROKER_URL.fullmatch(settings.broker_url):\n",
        "    if False:\n",
        "tests/test_config.py -k cannot_be_meant",
    ),
)
