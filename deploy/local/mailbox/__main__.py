"""`python -m deploy.local.mailbox --smtp-port N --http-port N --dir DIR`: runs until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import signal
import socket
import sys
from pathlib import Path

import uvicorn
from starlette.middleware.trustedhost import TrustedHostMiddleware

from deploy.local.mailbox.page import create_app
from deploy.local.mailbox.sink import Intake, Sink
from deploy.local.mailbox.store import DamagedMailboxError, Store

LOOPBACK = "127.0.0.1"


class StartError(Exception):
    """The message says what to change."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.mailbox", description=__doc__)
    parser.add_argument("--smtp-port", type=int, required=True, help="where mails are taken; 0 chooses a free port")
    parser.add_argument("--http-port", type=int, required=True, help="where the page is; 0 chooses a free port")
    parser.add_argument("--dir", type=Path, required=True, help="folder that keeps the mails")
    parser.add_argument("--bind", default=LOOPBACK, help="address to listen on (default: %(default)s)")
    options = parser.parse_args()
    try:
        asyncio.run(serve(options.bind, options.smtp_port, options.http_port, options.dir))
    except (StartError, DamagedMailboxError) as error:
        print(f"mailbox: {error}", file=sys.stderr)
        return 1
    return 0


async def serve(bind: str, smtp_port: int, http_port: int, folder: Path) -> None:
    """Raises StartError or DamagedMailboxError before anything listens; else returns after a clean stop."""
    try:
        store = Store(folder)
    except OSError as error:
        raise StartError(f"{folder} cannot hold mails ({error}): choose another --dir") from error
    smtp_socket = _listen(bind, smtp_port, "--smtp-port")
    http_socket = _listen(bind, http_port, "--http-port")
    intake = Intake(store)
    sink = Sink(intake)
    app = create_app(store, lambda: sink.listening)
    if bind == LOOPBACK:
        # A page elsewhere whose name is made to point at this machine must not read the mails.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["localhost", LOOPBACK])
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    # uvicorn takes the signals over while it serves and raises them once more after that; a default handler would then
    # end the process before the last mails are stored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    await sink.listen(smtp_socket)
    print(f"mailbox: smtp {_address(smtp_socket)}, page http://{_address(http_socket)}/", flush=True)
    try:
        await server.serve(sockets=[http_socket])
    finally:
        await sink.stop()
        store.close()


def _listen(bind: str, port: int, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((bind, port))
    except OSError as error:
        listening.close()
        raise StartError(f"port {port} on {bind} cannot be used ({error.strerror}): choose another {option}") from error
    return listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


if __name__ == "__main__":
    sys.exit(main())
