"""The documents: a landing page, the OpenAPI document and two ways to read it."""

from hashlib import sha256
from importlib.resources import files

from flask import Blueprint, Response, current_app, render_template, send_from_directory

from app.services import health
from app.web import headers, openapi
from app.web.endpoint import endpoint
from app.web.identity import Credential
from app.web.tags import tagged

bp = Blueprint("docs", __name__)

SWAGGER_UI = str(files("flask_swagger_ui") / "dist")
REDOC = str(files("openapi_ui_bundles") / "redoc" / "vendor")


@bp.get("/")
@endpoint(credential=Credential.NONE, produces="text/html")
def landing() -> Response:
    """Show what this is, whether it is well, and where to go."""
    return headers.protected(Response(render_template("landing.html", state=health.check())))


@bp.get("/openapi.json")
@endpoint(credential=Credential.NONE, produces="application/json")
def document() -> Response:
    """Answer the OpenAPI document of the whole service."""
    text = openapi.served(current_app)
    response = Response(text, mimetype="application/json")
    response.headers["Cache-Control"] = "no-cache"
    return tagged(response, f'"{sha256(text).hexdigest()[:32]}"')


@bp.get("/swagger/")
@endpoint(credential=Credential.NONE, produces="text/html")
def swagger() -> Response:
    """Show the document in Swagger UI."""
    return headers.protected(Response(render_template("swagger.html")), headers.VIEWER)


@bp.get("/redoc/")
@endpoint(credential=Credential.NONE, produces="text/html")
def redoc() -> Response:
    """Show the document in ReDoc."""
    return headers.protected(Response(render_template("redoc.html")), headers.VIEWER)


@bp.get("/swagger/assets/<path:name>")
@endpoint(credential=Credential.NONE, produces="*/*")
def swagger_asset(name: str) -> Response:
    """Serve Swagger UI's own files."""
    return send_from_directory(SWAGGER_UI, name, max_age=86_400)


@bp.get("/redoc/assets/<path:name>")
@endpoint(credential=Credential.NONE, produces="*/*")
def redoc_asset(name: str) -> Response:
    """Serve ReDoc's own files."""
    return send_from_directory(REDOC, name, max_age=86_400)
