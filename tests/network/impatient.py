"""The service as it is, but for the patience with which it waits for a client to read on."""

from app.web import streamed
from wsgi import app as app

streamed.PATIENCE_SECONDS = 0.5
