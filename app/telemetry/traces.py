"""Traces by OpenTelemetry: of requests, statements, Redis and Celery, sent in the background.

What the instrumentations gather beside is left out: paths and queries name people, and messages of
errors quote rows.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from random import random
from typing import Any

import psycopg
from flask import Flask, Response, g
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import Status

from app import driver
from app.config import Settings
from app.masks import masked

KEPT = frozenset(
    (
        *("http.method", "http.route", "http.status_code", "error.type", "request_id"),
        *("db.system", "db.name", "db.operation", "db.statement"),
        *("celery.action", "celery.state", "celery.task_name", "messaging.message.id"),
    )
)
POSTGRESQL = {"db.system": "postgresql"}


class _Impersonal(SpanExporter):
    """Passes spans on without what may be somebody's."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_impersonal(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _Drawn(Sampler):
    """Draws lots for a request that comes with a trace, whose id is its sender's to choose.

    What our own processes ask of each other is sampled as the one that asked was.
    """

    def __init__(self, share: float, among_us: Sampler) -> None:
        self._share = share
        self._among_us = among_us

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        *others: Any,
        **named: Any,
    ) -> SamplingResult:
        sampler = self._among_us
        if kind is SpanKind.SERVER:
            sampler = ALWAYS_ON if random() < self._share else ALWAYS_OFF  # noqa: S311 (no secret)
        return sampler.should_sample(parent_context, trace_id, name, kind, *others, **named)

    def get_description(self) -> str:
        return f"{type(self).__name__}{{{self._share}}}"


def init_app(app: Flask, settings: Settings) -> None:
    """Have the work of this process traced, and of those that are forked from it."""
    provider = _provider(settings)
    RedisInstrumentor().instrument(tracer_provider=provider)
    CeleryInstrumentor().instrument(tracer_provider=provider)  # type: ignore[no-untyped-call]
    PsycopgInstrumentor().instrument(tracer_provider=provider, skip_dep_check=True)
    _trace_past_cursors(provider.get_tracer(__name__))
    FlaskInstrumentor.instrument_app(  # type: ignore[no-untyped-call]
        app, tracer_provider=provider, enable_commenter=False
    )
    app.before_request(_let_the_log_find_it)
    app.after_request(_let_it_find_the_log)
    app.extensions["traces"] = provider


def _provider(settings: Settings) -> TracerProvider:
    """With a share of the traces chosen here, whatever a stranger's header asks for or against."""
    share = settings.otel_traces_sampler_arg
    about = {"service.name": "loan-service", "deployment.environment.name": settings.app_env}
    provider = TracerProvider(
        sampler=ParentBased(
            TraceIdRatioBased(share),
            remote_parent_sampled=_Drawn(share, ALWAYS_ON),
            remote_parent_not_sampled=_Drawn(share, ALWAYS_OFF),
        ),
        resource=Resource.create(about),
    )
    endpoint = f"{settings.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces"
    exporter = _Impersonal(OTLPSpanExporter(endpoint=endpoint))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _let_the_log_find_it() -> None:
    context = trace.get_current_span().get_span_context()
    if context.trace_flags.sampled:
        g.trace_id = trace.format_trace_id(context.trace_id)


def _let_it_find_the_log(response: Response) -> Response:
    trace.get_current_span().set_attribute("request_id", g.request_id)
    return response


def _trace_past_cursors(tracer: trace.Tracer) -> None:
    """What the instrumentation of the driver does not see: BEGIN, COMMIT, COPY and exports."""
    original = driver.command, driver.copy_in, psycopg.ServerCursor.execute

    def traced(do: Callable[..., Any], statement: int) -> Callable[..., Any]:
        @wraps(do)
        def run(*words: Any, **named: Any) -> Any:
            said = words[statement]
            sql = said.decode() if isinstance(said, bytes) else str(said)
            attributes = {**POSTGRESQL, "db.statement": sql}
            name = sql.split(maxsplit=1)[0]
            with tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes):
                return do(*words, **named)

        return run

    driver.command, driver.copy_in, execute = (traced(do, 1) for do in original)
    psycopg.ServerCursor.execute = execute  # type: ignore[method-assign]


def _impersonal(span: ReadableSpan) -> ReadableSpan:
    kept = {name: value for name, value in (span.attributes or {}).items() if name in KEPT}
    return ReadableSpan(
        name=_name(span, kept),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes={
            name: masked(value) if isinstance(value, str) else value for name, value in kept.items()
        },
        events=[_event(each) for each in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _name(span: ReadableSpan, kept: Mapping[str, Any]) -> str:
    """Of a request that no route was found for, the method: its name has the path."""
    if span.kind is SpanKind.SERVER and "http.route" not in kept:
        return str(kept.get("http.method", "HTTP"))
    return masked(span.name)


def _event(event: Event) -> Event:
    """Of an exception its type alone."""
    raised = (event.attributes or {}).get("exception.type")
    about = {"exception.type": raised} if raised else None
    return Event(event.name, about, event.timestamp)
