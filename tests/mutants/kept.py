"""What holds when a book is migrated in use, written to a file, and filled from one."""

from tests.mutants import Mutant

BACKUP = "app/local/backup.py"

KEPT = (
    Mutant(
        "a migration that cannot have its lock gives up",
        "migrations/env.py",
        "SET lock_timeout = '2s'",
        "SET lock_timeout = 0",
        "tests/test_live_migrations.py -k gives_up",
    ),
    Mutant(
        "a constraint is not validated under the lock of its table",
        "migrations/versions/0006_tallies.py",
        "CHECK (open_flags >= 0) NOT VALID",
        "CHECK (open_flags >= 0)",
        "tests/test_live_migrations.py -k large_table",
    ),
    Mutant(
        "a restore goes into an empty database alone",
        BACKUP,
        "    _require_empty(url)\n",
        "",
        "tests/test_backups.py -k 'not_empty'",
    ),
    Mutant(
        "a restore is all or nothing",
        BACKUP,
        '"--single-transaction", ',
        "",
        "tests/test_backups.py -k breaks_off",
    ),
    Mutant(
        "half a backup is not left behind",
        BACKUP,
        "        draft.unlink(missing_ok=True)\n",
        "        pass\n",
        "tests/test_backups.py -k whole",
    ),
    Mutant(
        "no backup is written over",
        BACKUP,
        "    if file.exists():\n",
        "    if False:\n",
        "tests/test_backups.py -k whole",
    ),
    Mutant(
        "a backup is for its owner's eyes alone",
        BACKUP,
        "0o600",
        "0o644",
        "tests/test_backups.py -k whole",
    ),
)
