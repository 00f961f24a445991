"""The loan service. `create_app` wires its parts and decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Settings

LARGEST_BODY = 1024 * 1024


def create_app(settings: Settings | None = None) -> Flask:
    """An application with `settings`, by default those of the environment.

    Raises UnsafeSettings when the environment must not be started with.
    """
    # Imported here, because the launcher in app.local must not pay for them.
    from app import cache, cli, config, console, engines, queue, telemetry
    from app.routes import blueprints
    from app.schemas.imports import judged
    from app.services import exports, health, imports, notices, replica, tallies
    from app.web import cors, headers, limits, logs, metrics, problems, proxies, tokens

    settings = settings or config.load()
    app = _made(settings)
    for part in (telemetry, engines, cache, queue, tokens, logs, headers, cors, proxies):
        part.init_app(app, settings)
    for part in (exports, replica):
        part.init_app(app, settings)
    for part in (metrics, problems, health, notices, tallies, cli):
        part.init_app(app)
    imports.init_app(app, judged)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    console.init_app(app, settings)
    limits.init_app(app, settings)
    return app


def _made(settings: Settings) -> Flask:
    """Flask with nothing in it, told how it reads paths and which body is too large."""
    from flask import Flask

    from app.web.refs import Ref

    app = Flask(__name__)
    app.extensions["settings"] = settings
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.debug = settings.debug
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["default"] = Ref
    return app
