"""The service's workers as `celery` finds them, at work on imports that only pretend."""

import wsgi
from celery_app import celery
from tests.workers.pretended import offered

__all__ = ["celery"]

offered(wsgi.app)
