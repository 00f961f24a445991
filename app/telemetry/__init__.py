"""What others are told of the service's work: of its failures, its ways, its time.

Each is off unless a setting names who is told, and then costs nothing: it is not even imported.
"""

from flask import Flask

from app.config import Settings


def init_app(app: Flask, settings: Settings) -> None:
    """Before all that answers requests: a trace, or a profile, is to hold their work."""
    if settings.sentry_dsn:
        from app.telemetry import failures

        failures.report(settings)
    if settings.otel_exporter_otlp_endpoint:
        from app.telemetry import traces

        traces.init_app(app, settings)
    if settings.profile:
        from app.telemetry import profiles

        profiles.init_app(app)
