"""A page for each request, in development: where its time went, by pyinstrument.

They lie in `.local/profiles`, the newest KEPT of them; each answer names its own.
"""

from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, Response, g, request
from pyinstrument import Profiler
from werkzeug.utils import secure_filename

FOLDER = Path(__file__).parents[2] / ".local" / "profiles"
KEPT = 200
EVERY_SECONDS = 0.0005


def init_app(app: Flask, folder: Path = FOLDER) -> None:
    """Have each request profiled, which makes it slower."""

    def finish(response: Response) -> Response:
        profiler: Profiler | None = g.pop("profiler", None)
        if profiler is not None:
            profiler.stop()
            response.headers["X-Profile"] = str(_written(folder, profiler))
        return response

    app.before_request(_begin)
    app.after_request(finish)


def _begin() -> None:
    g.profiler = Profiler(interval=EVERY_SECONDS, async_mode="disabled")
    g.profiler.start()


def _written(folder: Path, profiler: Profiler) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    route = request.url_rule.rule if request.url_rule else "unknown"
    page = folder / secure_filename(f"{at} {request.method} {route}.html")
    page.write_text(profiler.output_html(), encoding="utf-8")
    for old in sorted(folder.glob("*.html"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return page
