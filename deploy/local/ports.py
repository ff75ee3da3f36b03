"""Ports on the local interface: chosen once for a data folder, kept from then on."""

import random
import socket
from collections.abc import Collection

from deploy.local.errors import StackError

LOCAL = "127.0.0.1"
# Below the range that systems hand out to outgoing connections, so that a kept port is still free after a `down`.
_RANGE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCAL, port))
        except OSError:
            return False
    return True


def choose(taken: Collection[int] = ()) -> int:
    """A free port that is not among `taken`. Raises StackError when none is found."""
    for port in random.sample(_RANGE, 200):
        if port not in taken and is_free(port):
            return port
    raise StackError(
        f"No free port was found between {_RANGE.start} and {_RANGE.stop}.", "End some of the servers on this machine."
    )


def require_free(port: int, part: str) -> None:
    """Raises StackError when somebody else listens on the port that this data folder has used so far."""
    if not is_free(port):
        raise StackError(
            f"Port {port}, kept for {part} by this data folder, is taken by another program.",
            f"End that program (`ss -ltnp 'sport = :{port}'` names it), or run `rapport stack up --new-ports`.",
        )
