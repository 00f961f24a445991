"""The workers and beat as `celery` finds them."""

import wsgi
from app.tasks import make_celery

celery = make_celery(wsgi.app)
