"""Traces: a request with all that it asks of others, and nobody's name."""

from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind

from app.models import Role
from app.telemetry import traces
from tests.factories import PASSWORD, Caller, Lender
from tests.serving import Service, served
from tests.telemetry.sink import Sink, sink

EMAIL = "ada@secret.example.com"


@pytest.fixture
def ada(lender: Lender) -> Caller:
    return lender.user(Role.ADMIN, email=EMAIL)


def of_request(collector: Sink, request_id: str) -> list[dict[str, Any]]:
    """The spans of its trace, once its root has come, which is the last to end."""

    def roots() -> list[dict[str, Any]]:
        return [span for span in collector.spans() if span.get("request_id") == request_id]

    assert collector.came_to(lambda: bool(roots()))
    return [span for span in collector.spans() if span["trace"] == roots()[0]["trace"]]


def test_a_request_is_traced_with_each_statement_and_look_up(
    environ: dict[str, str], ada: Caller
) -> None:
    loan = ada.make_loan()
    with sink() as collector:
        asked = {
            **environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "LOG_LEVEL": "INFO",
        }
        with served(asked, workers=1) as service:
            ways = send(service, ada, loan)
            log = service.log.read_text()
            spans = {name: of_request(collector, name) for name in ways}
    for name, (route, statements) in ways.items():
        (root,) = [span for span in spans[name] if span["is_root"]]
        assert (root["http.route"], root["name"]) == (route, f"{root['http.method']} {route}")
        assert {span["name"] for span in spans[name]} >= statements
        assert f'"trace_id":"{root["trace"]}"' in log
    said = [span["db.statement"] for span in spans["read"] if "db.statement" in span]
    assert any("FROM loans" in statement for statement in said)
    refused = [span for span in spans["refused"] if "exception" in span["events"]]
    assert refused
    assert {span["status"] for span in refused} == {""}
    secrets = (EMAIL, "secret.example", PASSWORD, "eyJ", "of-queries", loan["id"], "127.0.0.1")
    assert [secret for secret in secrets if secret in collector.text] == []


def send(service: Service, ada: Caller, loan: dict[str, Any]) -> dict[str, tuple[str, set[str]]]:
    """By the id of each request, its route and what its trace must hold."""
    with service.client() as client:

        def ask(name: str, method: str, path: str, body: object = None) -> int:
            client._headers |= {"X-Request-ID": name, **ada.headers}
            return client.send(method, path, body).status

        assert ask("read", "GET", f"/loans/{loan['id']}") == 200
        assert ask("listed", "GET", "/customers/?q=of-queries") == 200
        assert ask("cached", "GET", "/loans/?status=PENDING") == 200
        assert ask("written", "POST", f"/loans/{loan['id']}/approve", {}) == 200
        taken = {"email": EMAIL, "password": PASSWORD}
        assert ask("refused", "POST", "/auth/register", taken) == 409
        assert ask("exported", "GET", "/customers/export?q=of-queries") == 200
    return {
        "read": ("/loans/<ref>", {"SELECT"}),
        "listed": ("/customers/", {"SELECT"}),
        "cached": ("/loans/", {"SELECT", "GET"}),
        "written": ("/loans/<ref>/approve", {"BEGIN", "SELECT", "UPDATE", "WITH", "COMMIT"}),
        "refused": ("/auth/register", {"INSERT"}),
        "exported": ("/customers/export", {"SELECT"}),
    }


def test_a_path_that_no_route_has_is_nobodys_name_either(
    environ: dict[str, str], ada: Caller
) -> None:
    """And a stranger's header that asks for no trace is asked in vain."""
    not_sampled = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"}
    with sink() as collector:
        asked = {
            **environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with (
            served(asked, workers=1) as service,
            service.client({"X-Request-ID": "lost", **ada.headers, **not_sampled}) as client,
        ):
            assert client.get(f"/auth/users/{EMAIL}").status == 404
            (span,) = [each for each in of_request(collector, "lost") if "request_id" in each]
    assert span["name"] == "GET"
    assert "secret.example" not in collector.text


@pytest.mark.parametrize("trace_id", [1, 2**128 - 1])
def test_a_stranger_chooses_no_trace_by_its_id(
    monkeypatch: pytest.MonkeyPatch, trace_id: int
) -> None:
    sampler = traces._Drawn(0.5, ALWAYS_OFF)

    def is_sampled(lot: float, kind: SpanKind) -> bool:
        monkeypatch.setattr(traces, "random", lambda: lot)
        return sampler.should_sample(None, trace_id, "GET", kind).decision.is_sampled()

    assert is_sampled(0.4, SpanKind.SERVER)
    assert not is_sampled(0.6, SpanKind.SERVER)
    assert not is_sampled(0.4, SpanKind.CONSUMER)


def test_none_of_a_share_of_none_is_traced(environ: dict[str, str], ada: Caller) -> None:
    """Nor what a stranger's header asks to be."""
    with sink() as collector:
        asked = {
            **environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_TRACES_SAMPLER_ARG": "0",
        }
        parent = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        with (
            served(asked, workers=1) as service,
            service.client({**ada.headers, **parent}) as client,
        ):
            assert client.get("/loans/").status == 200
    assert collector.sent == []
