"""The environment a command runs in, completed by the embedded servers."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dotenv import dotenv_values

from app.local.folder import Folder
from app.local.postgres import Postgres
from app.local.server import Server
from app.local.valkey import Valkey

EMBEDDED: Mapping[str, type[Postgres] | type[Valkey]] = {
    "DATABASE_URL": Postgres,
    "REDIS_URL": Valkey,
}


def read_environment(project: Path) -> dict[str, str]:
    """The process's environment over the project's `.env`; an empty value counts as none."""
    from_file = {name: value or "" for name, value in dotenv_values(project / ".env").items()}
    environment = {name: value for name, value in {**from_file, **os.environ}.items() if value}
    return {"APP_ENV": "development", **environment}


def names_its_servers(environment: Mapping[str, str]) -> bool:
    """Whether nothing is left to embed."""
    return all(name in environment for name in EMBEDDED)


@contextmanager
def embedded(folder: Folder, environment: Mapping[str, str]) -> Iterator[list[Server]]:
    """The servers that `environment` does not name, running as long as the context lasts."""
    with ExitStack() as stack:
        missing = [kind for name, kind in EMBEDDED.items() if name not in environment]
        yield [stack.enter_context(kind(folder)) for kind in missing]


def urls(servers: list[Server]) -> dict[str, str]:
    """What the servers are called in the environment."""
    return {
        name: server.url
        for name, kind in EMBEDDED.items()
        for server in servers
        if isinstance(server, kind)
    }
