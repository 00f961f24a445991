"""The loan service. `create_app` wires its parts and decides nothing."""

from flask import Flask
from flask_cors import CORS

from app import cache, cli, config, db
from app.config import Settings
from app.routes import blueprints
from app.web import logs, metrics, problems, tokens

LARGEST_BODY = 1024 * 1024
EXPOSED_HEADERS = [
    "ETag",
    "Link",
    "Location",
    "X-Page",
    "X-Page-Size",
    "X-Request-ID",
    "X-Total-Count",
]


def create_app(settings: Settings | None = None) -> Flask:
    """An application with `settings`, by default those of the environment.

    Raises UnsafeSettings when the environment must not be started with.
    """
    settings = settings or config.load()
    app = Flask(__name__)
    app.extensions["settings"] = settings
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.debug = settings.debug
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    db.init_app(app, settings)
    cache.init_app(app, settings)
    tokens.init_app(app, settings)
    logs.init_app(app, settings)
    metrics.init_app(app)
    problems.init_app(app)
    cli.init_app(app)
    if settings.cors_origins:
        CORS(app, origins=list(settings.cors_origins), expose_headers=EXPOSED_HEADERS)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app
