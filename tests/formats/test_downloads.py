"""Connections that set no timeout get one, until the end of the block."""

import socket
import time
from urllib.request import urlopen

import pytest

from unstride.formats import downloads
from unstride.formats.downloads import download_timeout


def test_a_server_that_does_not_answer_is_left_soon(monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        start = time.monotonic()
        with pytest.raises(TimeoutError), download_timeout():
            urlopen(f"http://127.0.0.1:{server.getsockname()[1]}/weights.pth")
        assert time.monotonic() - start < 5


def test_nothing_stays_changed_and_the_users_timeout_holds(monkeypatch):
    found = []

    def fail():
        with download_timeout():
            found.append(socket.getdefaulttimeout())
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert found == [downloads.TIMEOUT]
    assert socket.getdefaulttimeout() is None
    socket.setdefaulttimeout(77)
    try:
        with download_timeout():
            assert socket.getdefaulttimeout() == 77
        assert socket.getdefaulttimeout() == 77
    finally:
        socket.setdefaulttimeout(None)
