"""The program that every child was before it became itself."""

import os
import subprocess
import sys

import pytest

from app.local.processes import LEASH


def leashed(parent: int, account: str, *command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(LEASH), str(parent), "9", account, *command]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_it_becomes_the_command():
    result = leashed(os.getpid(), "-", "/bin/echo", "one two")
    assert (result.returncode, result.stdout) == (0, "one two\n")


def test_a_parent_that_is_gone_already_is_noticed():
    result = leashed(1, "-", "/bin/echo", "never")
    assert result.returncode == 1
    assert "ended before its child began" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("ids", [["-ru"], ["-rg"], ["-G"]])
def test_it_drops_every_right_it_was_told_to_drop(ids):
    account = "65534:65534" if os.geteuid() == 0 else "-"
    result = leashed(os.getpid(), account, "/usr/bin/id", *ids)
    assert result.returncode == 0
    assert "0" not in result.stdout.split()


def test_a_broken_pipe_ends_the_command_as_usual():
    result = leashed(os.getpid(), "-", "/bin/sh", "-c", "trap - PIPE; kill -s PIPE $$; echo lived")
    assert (result.returncode, result.stdout) == (-13, "")
