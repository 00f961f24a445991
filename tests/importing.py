"""`python -m tests.importing ID`: a worker that carries on with an import, in a process to kill."""

import sys
from uuid import UUID

from app import create_app
from app.services import imports
from tests.conftest import quiet


def main(import_id: str) -> None:
    app = quiet(create_app())
    with app.app_context():
        imports.carry_on(UUID(import_id))


if __name__ == "__main__":
    main(sys.argv[1])
