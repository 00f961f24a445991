"""The service under gunicorn, with imports that only pretend."""

import wsgi
from tests.workers.pretended import offered

app = offered(wsgi.app)
