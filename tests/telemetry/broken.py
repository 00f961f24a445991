"""The service under gunicorn, with log-ins that break over what they know.

Which is not written here: a failure is told with the lines of the source around it.
"""

import os

import wsgi
from app.services import passwords

app = wsgi.app


def breaks(password_hash: str) -> bool:
    known = f"{password_hash} of the user"
    raise RuntimeError(f"cannot judge {os.environ['SOMEBODY']}, {known}\nand {os.environ['MORE']}")


passwords.outdated = breaks
