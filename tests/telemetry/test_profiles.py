"""A page for each request, where a setting asks for it, and never where strangers are."""

from pathlib import Path

import pytest
from flask import Flask, jsonify

from app import config, create_app
from app.config import UnsafeSettings
from app.telemetry import profiles
from tests.conftest import disconnect


def profiled(folder: Path) -> Flask:
    app = Flask(__name__)
    profiles.init_app(app, folder)

    @app.get("/sum/<int:number>")
    def sum_up(number: int) -> object:
        return jsonify(sum(range(number)))

    return app


def test_a_request_has_a_page_that_its_answer_names(tmp_path: Path) -> None:
    client = profiled(tmp_path / "profiles").test_client()
    pages = [Path(client.get(f"/sum/{number}").headers["X-Profile"]) for number in (1, 400_000)]
    assert sorted((tmp_path / "profiles").iterdir()) == sorted(pages)
    assert all("GET_sum_intnumber" in page.name for page in pages)
    assert "sum_up" in pages[1].read_text()
    assert "<html" in pages[1].read_text()


def test_only_the_newest_pages_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "KEPT", 3)
    client = profiled(tmp_path).test_client()
    pages = [Path(client.get("/sum/1").headers["X-Profile"]) for _ in range(5)]
    assert sorted(tmp_path.iterdir()) == sorted(pages[-3:])


def test_the_setting_turns_it_on(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles.init_app, "__defaults__", (tmp_path,))
    app = create_app(config.load({**environ, "PROFILE": "on"}))
    assert Path(app.test_client().get("/healthz").headers["X-Profile"]).parent == tmp_path
    disconnect(app)


@pytest.mark.parametrize("place", ["staging", "production"])
def test_it_is_refused_where_strangers_are(environ: dict[str, str], place: str) -> None:
    exposed = {**environ, "APP_ENV": place, "ARGON2_MEMORY_KIB": "19456", "ARGON2_TIME_COST": "2"}
    with pytest.raises(UnsafeSettings, match="PROFILE: writes down every request"):
        config.load({**exposed, "PROFILE": "on"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SENTRY_DSN", "sentry.example.com/1"),
        ("SENTRY_DSN", "https://public@sentry.example.com/project"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318?token=x"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.1"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(
    environ: dict[str, str], variable: str, value: str
) -> None:
    with pytest.raises(UnsafeSettings, match=variable):
        config.load({**environ, variable: value})
