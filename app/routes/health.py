"""Is it alive, is it ready, how is it doing."""

from flask import Blueprint, Response, request

from app.errors import Forbidden
from app.schemas.health import HealthOut, PingOut
from app.services import health
from app.web import metrics
from app.web.endpoint import endpoint
from app.web.identity import Credential

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@endpoint(returns=HealthOut, credential=Credential.NONE)
def healthz() -> object:
    """Tell that the process lives; touches nothing."""
    return {"status": "ok"}


@bp.get("/ping")
@endpoint(
    returns=PingOut,
    credential=Credential.NONE,
    is_down=lambda state: not state["pong"],
    is_sparse=True,
)
def ping() -> object:
    """Tell whether the database and the cache answer; 503 without a database or before its end."""
    return health.check()


@bp.get("/metrics")
@endpoint(produces="text/plain", credential=Credential.NONE, raises=(Forbidden,))
def show_metrics() -> Response:
    """Answer Prometheus: with the metrics token as bearer, or from this machine itself."""
    return metrics.exposition(request)
