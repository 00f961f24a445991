"""As many requests are at work at once as there are threads, whichever worker they reach."""

from contextlib import ExitStack
from pathlib import Path

from tests.serving import served

WORKERS, THREADS = 2, 4


def test_no_request_waits_for_one_worker_while_another_has_a_thread_free(tmp_path: Path) -> None:
    guests = WORKERS * THREADS
    settings = {"GATHERED": str(tmp_path), "GUESTS": str(guests), "GUNICORN_THREADS": str(THREADS)}
    with (
        served(settings, "tests.network.gathering:app", workers=WORKERS) as service,
        ExitStack() as stack,
    ):
        clients = [stack.enter_context(service.client()) for _ in range(guests)]
        for client in clients:
            client.ask("GET", "/")
        assert [client.answer().status for client in clients] == [200] * guests
