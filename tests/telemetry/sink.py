"""Servers that take what Sentry and a collector of traces would be sent, as it comes."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.local.processes import wait_until
from app.local.server import LOOPBACK

PATIENCE = 30


class Sink:
    """All that was sent, path and body, unpacked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sent: list[tuple[str, bytes]] = []

    @property
    def dsn(self) -> str:
        return f"http://public@{LOOPBACK}:{self.port}/7"

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def text(self) -> str:
        """All of it, for what must not be there."""
        return "\n".join(body.decode(errors="replace") for _, body in self.sent)

    def events(self) -> list[dict[str, Any]]:
        """What Sentry would show: the items of its envelopes."""
        found = []
        for path, body in list(self.sent):
            assert path == "/api/7/envelope/"
            _, _, *items = body.splitlines()
            found += [json.loads(item) for item in items if b'"tags"' in item]
        return found

    def spans(self) -> list[dict[str, Any]]:
        """Each span that came to the collector: its name, trace and attributes."""
        found = []
        for path, body in list(self.sent):
            assert path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = {each.key: each.value.string_value for each in resource.resource.attributes}
                assert about["service.name"] == "loan-service"
                found += [_told(span) for scope in resource.scope_spans for span in scope.spans]
        return found

    def came_to(self, is_so: Callable[[], bool]) -> bool:
        return wait_until(is_so, PATIENCE)


def _told(span: Any) -> dict[str, Any]:
    attributes = {
        each.key: each.value.string_value or each.value.int_value for each in span.attributes
    }
    return {
        "name": span.name,
        "trace": span.trace_id.hex(),
        "is_root": not span.parent_span_id,
        "events": [event.name for event in span.events],
        "status": span.status.message,
        **attributes,
    }


@contextmanager
def sink() -> Iterator[Sink]:
    """One that listens until the block ends."""

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            taken.sent.append((self.path, gzip.decompress(body) if packed else body))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Taker) as server:
        taken = Sink(server.server_address[1])
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield taken
        finally:
            server.shutdown()
            thread.join()
