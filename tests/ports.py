"""Ports of loopback for servers that tests start."""

from __future__ import annotations

import os
import socket
from itertools import count

# Below those that Linux gives to clients: one of these could take the port between its choice and the server's start.
_FIRST, _N = 10_000, 20_000
_asked = count()


def free_port() -> int:
    """A port that nobody listens at, and that no other test process is given at the same time."""
    # Neighbouring process ids begin a hundred ports apart.
    begin = os.getpid() * 100 + next(_asked)
    for number in range(begin, begin + _N):
        port = _FIRST + number % _N
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError(f"none of the {_N} ports from {_FIRST} on is free")
