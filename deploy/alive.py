"""Exit 0 when the worker or beat in this container gave a sign of life lately, else 1.

alive.py SECONDS: how long ago is lately. A worker gives one every two seconds while it reaches the
broker, beat whenever the broker has taken something from it.
"""

import os
import sys
import time
from pathlib import Path


def is_alive(pulse: Path, seconds: float) -> bool:
    """Whether `pulse` was touched within so many seconds; one that is not there never was."""
    try:
        return time.time() - pulse.stat().st_mtime < seconds
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_alive(Path(os.environ["CELERY_PULSE_FILE"]), float(sys.argv[1])) else 1)
