"""Commands beside the servers: the running service's, named ones, or their own."""

import signal
import sys

import pytest

from app.local.__main__ import main

SHOW = "import os; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'])"


def beside(command: str) -> tuple[str, ...]:
    return ("-m", "app.local", "with", "--", sys.executable, "-c", command)


def test_a_command_finds_the_servers_of_the_running_service(launch):
    service = launch().ready()
    urls = service.urls()
    shown = launch(*beside(SHOW))
    assert shown.ended() == 0
    assert shown.output.split() == [urls["DATABASE_URL"], urls["REDIS_URL"]]
    assert service.process.poll() is None


def test_alone_a_command_gets_servers_for_its_own_time(launch):
    select = "import os, psycopg as p; print(p.connect(os.environ['DATABASE_URL']).info.dbname)"
    shown = launch(*beside(f"{select}; raise SystemExit(7)"))
    assert shown.ended() == 7
    assert shown.output == "loans\n"


def test_a_command_on_named_servers_starts_none(launch_in, new_project):
    shown = launch_in(
        new_project, *beside(SHOW), DATABASE_URL="postgresql://a/b", REDIS_URL="redis://c/0"
    )
    assert shown.ended() == 0
    assert shown.output == "postgresql://a/b redis://c/0\n"
    assert not (new_project / ".local").exists()


def test_a_named_database_goes_before_the_running_services(launch):
    service = launch().ready()
    shown = launch(*beside(SHOW), DATABASE_URL="postgresql://a/b")
    assert shown.ended() == 0
    assert shown.output.split() == ["postgresql://a/b", service.urls()["REDIS_URL"]]


def test_ctrl_c_is_the_commands_own_and_a_termination_reaches_it(launch):
    wait = "import signal; print('asleep', flush=True); signal.pause()"
    shown = launch(*beside(wait))
    assert shown.said("asleep")
    shown.process.send_signal(signal.SIGINT)
    assert shown.process.poll() is None
    assert shown.ended(signal.SIGTERM) == -signal.SIGTERM % 256


def test_a_holder_that_starts_nothing_is_named(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.path.parent)
    monkeypatch.setattr("app.local.command.RECORD_SECONDS", 0.1)
    monkeypatch.setattr("app.local.command.Folder", lambda _path: type(folder)(folder.path))
    assert main(["with", "--", "true"]) == 1
    assert "starts no servers" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["", "log/not there"])
def test_what_is_another_users_is_named(folder, monkeypatch, capsys, missing):
    def refuse(_project):
        raise PermissionError(13, "Permission denied", str(folder.servers / missing))

    monkeypatch.setattr("app.local.__main__.run", refuse)
    assert main(["run"]) == 1
    assert f"chown -R \"$(id -un)\" '{folder.servers}'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["with"], ["fly"]])
def test_a_wrong_call_shows_the_usage(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: python -m app.local" in capsys.readouterr().err
