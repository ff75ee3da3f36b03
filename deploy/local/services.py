"""The suite's services as processes of a local stack: each started with the stack's addresses, known by its health,
stopped in order.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local import ports, process
from deploy.local.errors import StackError
from deploy.local.paths import Home
from deploy.local.stack import Stack, place_of
from deploy.local.state import MAILBOX, forget, register

SERVICES = ("gateway", "profiles", "alerts")
READY_S = 60.0
GRACE_S = 30.0
_LOG_LINES = 20


@dataclass(frozen=True)
class Running:
    """A process of the suite: where it answers and how it is known."""

    name: str
    url: str
    process: process.ProcessRef
    log: Path

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return process.alive(self.process)

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])


def environment(stack: Stack) -> dict[str, str]:
    """What every service is told of the stack."""
    return {
        "RAPPORT_HOME": str(stack.home),
        "RAPPORT_KAFKA_BOOTSTRAP": stack.kafka,
        "RAPPORT_MONGO_URI": stack.mongo,
        "RAPPORT_LOG_FORMAT": "json",
    }


def start_service(stack: Stack, name: str, env: Mapping[str, str] | None = None, *, instance: str = "1") -> Running:
    """Start one process of a service; `env` wins over what the stack gives. Returns at once, see `wait_ready`."""
    port = ports.choose()
    settings = {
        **environment(stack),
        f"RAPPORT_{name.upper()}_HTTP_PORT": str(port),
        # A stable name: the next process of this name takes over at once from one that was killed.
        "RAPPORT_KAFKA_GROUP_INSTANCE_ID": f"{name}-{instance}",
        **(env or {}),
    }
    place = place_of(stack.home)
    log = _log(place, f"{name}-{instance}")
    started = process.spawn([sys.executable, "-m", f"services.{name}"], log=log, env=settings)
    running = Running(name, f"http://127.0.0.1:{port}", started, log)
    register(f"{name}-{instance}" if instance != "1" else name, running.url, started.pid, place)
    return running


def start_mailbox(stack: Stack) -> tuple[Running, int]:
    """Start the catch-all mailbox; returns it and the port of its mail server."""
    smtp, http = ports.choose(), 0
    http = ports.choose((smtp,))
    place = place_of(stack.home)
    log, folder = _log(place, MAILBOX), place.root / "mailbox"
    command = [sys.executable, "-m", "deploy.local.mailbox", "--smtp-port", str(smtp), "--http-port", str(http)]
    started = process.spawn([*command, "--dir", str(folder)], log=log)
    running = Running(MAILBOX, f"http://127.0.0.1:{http}", started, log)
    register(MAILBOX, running.url, started.pid, place)
    return running, smtp


def wait_ready(processes: Sequence[Running], deadline_s: float = READY_S) -> None:
    """Return when all are ready.

    Raises:
        StackError: one died, or was not ready in time; with the tail of its log.
    """
    deadline = time.monotonic() + deadline_s
    waiting = list(processes)
    while waiting:
        for one in list(waiting):
            if not one.alive:
                raise StackError(f"{one.name} died while it started:\n{one.tail()}", f"Its whole log is {one.log}.")
            if _answers(f"{one.url}/healthz/ready"):
                waiting.remove(one)
        if waiting and time.monotonic() > deadline:
            names = ", ".join(one.name for one in waiting)
            raise StackError(f"{names} did not get ready:\n{waiting[0].tail()}", f"The log is {waiting[0].log}.")
        time.sleep(0.05)


def stop(processes: Sequence[Running], stack: Stack) -> None:
    """Stop in the order given, each within its grace period."""
    place = place_of(stack.home)
    for one in processes:
        process.stop(one.process, grace_s=GRACE_S)
        forget(one.name, place)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - an address of this machine
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _log(place: Home, name: str) -> Path:
    return place.root / "logs" / f"{name}.log"
