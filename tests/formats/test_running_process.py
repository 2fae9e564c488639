"""Whether a process is running is asked without harming it, on Windows too."""

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from unstride.formats import running_process
from unstride.formats.running_process import is_running


def test_a_process_runs_until_it_ends():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_running(process.pid)
    assert process.poll() is None  # asking did not end it
    process.communicate(b"\n")
    assert not is_running(process.pid)
    assert is_running(os.getpid())
    assert not is_running(10**30)  # no system has such a number


def test_a_process_of_somebody_else_runs(monkeypatch):
    def forbidden(pid, signal):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", forbidden)
    assert is_running(1)


@pytest.mark.parametrize(
    ("handle", "exit_code", "error", "runs"),
    [
        (7, 259, 0, True),
        (7, 0, 0, False),  # it has ended, but somebody still holds it
        (0, 0, 87, False),  # there is no such process
        (0, 0, 5, True),  # access denied
    ],
)
def test_on_windows_nothing_is_killed(handle, exit_code, error, runs, monkeypatch):
    def kill(pid, signal):
        raise AssertionError("os.kill ends a process on Windows")

    closed = []

    def get_exit_code(process, code):
        code._obj.value = exit_code
        return 1

    kernel = SimpleNamespace(
        OpenProcess=lambda access, inherit, pid: handle,
        GetExitCodeProcess=get_exit_code,
        CloseHandle=closed.append,
    )
    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(running_process.sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: kernel, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: error, raising=False)
    assert is_running(1234) is runs
    assert closed == ([handle] if handle else [])
