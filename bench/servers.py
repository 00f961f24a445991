"""The servers that calls are sent to: each a gunicorn of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.config import FRAUD_VARIABLES

# As little as the service can do: no fraud rule is asked, nothing is cached.
AS_LITTLE = {"CACHE_ENABLED": "false", **{name.upper(): "off" for name in FRAUD_VARIABLES}}


@dataclass(frozen=True, slots=True)
class Server:
    """What gunicorn serves, with these settings; on the plan's book or on the one beside it."""

    name: str
    app: str = "wsgi:app"
    is_beside: bool = False
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)


BARE = Server("bare", app="bench.bare:app")
SERVICE = Server("service")
PLAIN = Server("plain", settings=AS_LITTLE)
SERVICE_BESIDE = Server("service beside", is_beside=True)
PLAIN_BESIDE = Server("plain beside", is_beside=True, settings=AS_LITTLE)
BESIDE = {SERVICE: SERVICE_BESIDE, PLAIN: PLAIN_BESIDE}
