"""How much of each proof is run: a short form in the suite, the promised figures on request."""

import os


def _whole(name: str, default: int) -> int:
    return int(os.environ.get(name, default))


# The promise was made for 32 clients, 2,000 operations each, and the seeds 1,2,3.
BANK_CLIENTS = _whole("BANK_CLIENTS", 8)
BANK_OPERATIONS = _whole("BANK_OPERATIONS", 60)
BANK_SEEDS = [int(seed) for seed in os.environ.get("BANK_SEEDS", "1").split(",")]

# 2,000 and 50 were tried.
BANK_EXAMPLES = _whole("BANK_EXAMPLES", 20)
BANK_STEPS = _whole("BANK_STEPS", 30)
# Finding the shortest life that fails takes Hypothesis minutes.
BANK_SHRINKS = bool(_whole("BANK_SHRINKS", 0))

# 10,000 keys, each sent five times.
BANK_KEYS = _whole("BANK_KEYS", 100)

# 100 rounds of 100 applications.
BANK_ROUNDS = _whole("BANK_ROUNDS", 2)
BANK_APPLICATIONS = _whole("BANK_APPLICATIONS", 20)
