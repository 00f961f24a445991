"""Whose the folder is, who may enter it, and who holds it."""

import os
from pathlib import Path

import pytest

from app.local.accounts import Account, owner_of, servers_account
from app.local.folder import Folder
from app.local.processes import LocalError
from app.local.server import free_port

STRANGER = Account("stranger", 54321, 54321)


@pytest.fixture
def locked(place: Path) -> Path:
    locked = place / "locked"
    (locked / "inner").mkdir(parents=True, mode=0o755)
    locked.chmod(0o700)
    return locked


def test_the_folder_that_a_user_may_not_enter_is_named(locked):
    assert STRANGER.first_closed_folder(locked / "inner" / "data") == locked
    locked.chmod(0o701)
    assert STRANGER.first_closed_folder(locked / "inner" / "data") is None


@pytest.mark.parametrize("kind", ["owner", "group"])
def test_owner_and_group_are_judged_by_their_own_bits(locked, kind):
    uid, gid = os.geteuid(), locked.stat().st_gid
    user = Account("us", uid, 1) if kind == "owner" else Account("ours", 54321, gid)
    locked.chmod(0o077 if kind == "owner" else 0o707)
    assert user.first_closed_folder(locked / "x") == locked
    locked.chmod(0o100 if kind == "owner" else 0o010)
    assert user.first_closed_folder(locked / "x") is None
    locked.chmod(0o700)


def test_a_checkout_that_the_servers_cannot_reach_is_refused_with_the_way_out(new_folder, locked):
    new_folder.account = STRANGER
    with pytest.raises(LocalError, match=f"chmod o\\+x '{locked}'"):
        new_folder.require_passage(locked / "inner" / "data")


def test_an_ordinary_user_needs_no_other(place, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert servers_account(place) is None


def test_root_gives_the_servers_to_nobody_or_to_the_former_owner(place, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    new = servers_account(place / "not there yet")
    assert new is not None
    assert new.name == "nobody"
    if place.stat().st_uid == 0:
        os.chown(place, new.uid, new.gid)
    assert servers_account(place).uid == place.stat().st_uid


def test_data_of_another_user_are_refused_by_name(new_folder, monkeypatch):
    owner = owner_of(new_folder.servers)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    other = Folder(new_folder.path)
    with pytest.raises(LocalError, match=f"belongs to {owner} and cannot be used"), other.claimed():
        pass


def test_an_owner_without_a_name_is_a_number(place, monkeypatch):
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert owner_of(place) == str(place.stat().st_uid)


def test_one_claim_at_a_time(new_folder):
    with Folder(new_folder.path).claimed() as ours:
        assert not ours
    assert new_folder.claimant == str(os.getpid())


def test_the_password_is_made_once_and_whole(new_folder):
    (new_folder.servers / "password.new").write_text("half writ")
    password = new_folder.password()
    assert len(password) == 32
    assert Folder(new_folder.path).password() == password


def test_no_free_port_is_said(monkeypatch):
    monkeypatch.setattr("app.local.server.port_is_free", lambda _port: False)
    with pytest.raises(LocalError, match="No free port"):
        free_port()
