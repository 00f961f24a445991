"""The embedded PostgreSQL through crashes, leftovers and other people's ports."""

import os
import signal
import socket
from pathlib import Path

import psutil
import psycopg
import pytest

from app.local import postgres as postgres_module
from app.local import server as server_module
from app.local.postgres import Postgres, processes_in
from app.local.processes import Child, LocalError


def setting(postgres, name):
    with psycopg.connect(postgres.url) as connection:
        return connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0]


def test_no_acknowledged_row_is_lost_when_it_is_killed(postgres):
    port = postgres.port
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE acknowledged (id int)")
        for number in range(100):
            connection.execute("INSERT INTO acknowledged VALUES (%s)", (number,))
        postgres.kill()
    postgres.start()
    assert postgres.port == port
    with psycopg.connect(postgres.url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM acknowledged").fetchone()
    assert count == 100


def test_unless_told_otherwise_it_is_durable(folder):
    with Postgres(folder) as server:
        assert setting(server, "fsync") == "on"
        assert setting(server, "synchronous_commit") == "on"


def test_it_speaks_unicode_utc_and_only_with_the_password_over_the_loopback(postgres):
    assert setting(postgres, "server_encoding") == "UTF8"
    assert setting(postgres, "TimeZone") == "UTC"
    assert setting(postgres, "listen_addresses") == "127.0.0.1"
    unix_socket_folder = (postgres.data / "postmaster.pid").read_text().splitlines()[4]
    assert unix_socket_folder == ""
    hba = (postgres.data / "pg_hba.conf").read_text().split()
    assert hba == ["host", "all", "all", "127.0.0.1/32", "scram-sha-256"]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url, password="guessed")


def test_upper_and_lower_case_are_known_beyond_ascii(postgres):
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT lower('ÉÑŠ')").fetchone() == ("éñš",)


def test_the_service_has_no_more_than_an_ordinary_role(postgres):
    with psycopg.connect(postgres.url) as connection:
        query = "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        assert connection.execute(query).fetchone() == (False, True)


def test_it_never_runs_as_root(postgres):
    account = postgres.folder.account
    uid = psutil.Process(postgres.child.pid).uids().real
    assert uid == (account.uid if account else os.geteuid())
    assert uid != 0
    assert psutil.Process(postgres.child.pid).gids().real != 0 or account is None


def test_an_interrupted_initdb_is_begun_anew(new_folder):
    half_made = new_folder.servers / "postgres.new-killed"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    with Postgres(new_folder, durable=False) as server:
        assert setting(server, "server_version_num").startswith("18")
    assert not half_made.exists()


def test_a_failing_initdb_is_explained(new_folder, monkeypatch):
    monkeypatch.setattr(postgres_module, "INITDB", ("--no-such-option",))
    with pytest.raises(LocalError, match=r"(?s)could not be set up.*no-such-option"):
        Postgres(new_folder).start()
    assert not (new_folder.servers / "postgres").exists()


def test_a_stale_pid_file_that_names_another_process_is_no_obstacle(postgres):
    postgres.kill()
    sleeper = Child(
        [Path("/bin/sleep"), "60"],
        death_signal=signal.SIGKILL,
        env={},
        cwd=postgres.folder.servers,
        account=postgres.folder.account,
    )
    pid_file = postgres.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(sleeper.pid), *lines[1:]]) + "\n")
    postgres.start()
    sleeper.end()
    assert setting(postgres, "port") == str(postgres.port)


def test_a_predecessor_on_its_way_out_is_waited_for(postgres):
    former = postgres.child
    successor = Postgres(postgres.folder)
    with psycopg.connect(postgres.url) as connection:
        connection.execute("SELECT 1")
        former.send(signal.SIGTERM)  # its smart shutdown, which waits for this connection
        with pytest.raises(LocalError, match=f"kill -INT {former.pid}"):
            patient(successor, seconds=0.1)
    with successor:
        assert former.poll() == 0
        assert setting(successor, "port") == str(successor.port)


def patient(server: Postgres, *, seconds: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_module, "FORMER_SECONDS", seconds)
        server.start()


def test_without_proc_the_pid_file_and_ps_tell_of_a_predecessor(postgres, monkeypatch):
    monkeypatch.setattr(postgres_module, "PROC", Path("/nowhere"))
    assert processes_in(postgres.data) == [postgres.child.pid]
    pid_file = postgres.data / "postmaster.pid"
    original = pid_file.read_text()
    pid_file.write_text(f"{os.getpid()}\n")
    assert processes_in(postgres.data) == []
    pid_file.write_text("")
    assert processes_in(postgres.data) == []
    pid_file.write_text(original)


def test_a_port_taken_in_between_is_exchanged(folder, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        offers = [other.getsockname()[1], server_module.free_port()]
        wanted = offers[1]
        monkeypatch.setattr(server_module, "free_port", lambda: offers.pop(0))
        with Postgres(folder, durable=False) as server:
            assert server.port == wanted


def test_a_port_it_had_and_lost_is_an_error(postgres):
    postgres.stop()
    with (
        socket.create_server(("127.0.0.1", postgres.port)),
        pytest.raises(LocalError, match=r"(?s)did not start.*Address already in use"),
    ):
        postgres.start()


def test_a_broken_configuration_is_explained_from_the_log(postgres):
    postgres.stop()
    conf = postgres.data / "postgresql.conf"
    sound = conf.read_text()
    conf.write_text(f"{sound}\nno_such_setting = 1\n")
    with pytest.raises(LocalError, match=r"(?s)did not start.*no_such_setting"):
        postgres.start()
    conf.write_text(sound)


def test_a_lost_password_is_explained(postgres):
    postgres.stop()
    password = postgres.folder.servers / "password"
    kept = password.rename(password.with_name("kept"))
    with pytest.raises(LocalError, match="If its password is lost, remove"):
        postgres.start()
    kept.replace(password)


def test_its_log_is_bounded(postgres, monkeypatch):
    monkeypatch.setattr(server_module, "LOG_BYTES", 10)
    postgres.restart()
    assert postgres.log.read_text().count("starting PostgreSQL") == 1
