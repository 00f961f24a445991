"""The application as gunicorn and `flask` find it."""

import sys

from app import create_app
from app.config import UnsafeSettings

WORKER_BOOT_ERROR = 3  # gunicorn stops on it, where on another code it tries again for ever

try:
    app = create_app()
except UnsafeSettings as refusal:
    sys.stderr.write(f"{refusal}\n")
    sys.exit(WORKER_BOOT_ERROR)
