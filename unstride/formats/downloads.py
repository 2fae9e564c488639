"""Downloads end soon where there is no network."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

TIMEOUT = 10.0  # seconds in which a server must answer, or send the next bytes


@contextmanager
def download_timeout() -> Iterator[None]:
    """Let connections that are opened inside fail after TIMEOUT, if they set no timeout.

    Those of `urllib`, which torch uses, would wait for minutes for a server that does not answer.
    """
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT if previous is None else previous)
    try:
        yield
    finally:
        socket.setdefaulttimeout(previous)
