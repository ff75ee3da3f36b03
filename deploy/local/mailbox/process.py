"""Starts the mailbox as a process of its own, and knows where it listens."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local import process

READY_S = 20.0
GRACE_S = 5.0
_LISTENING = re.compile(r"^mailbox: smtp (\S+):(\d+), page (http://\S+)/$", re.MULTILINE)


class MailboxStartError(Exception):
    """The mailbox did not start; the message ends with what it said."""


@dataclass(frozen=True, slots=True)
class MailboxProcess:
    """A running mailbox: mails go to `host`:`smtp_port`, the page and the JSON API are under `url`."""

    ref: process.ProcessRef
    host: str
    smtp_port: int
    url: str
    log: Path

    @property
    def alive(self) -> bool:
        return process.alive(self.ref)

    def stop(self, *, kill: bool = False) -> None:
        """Ends it by SIGTERM, or by SIGKILL with `kill`."""
        process.stop(self.ref, grace_s=GRACE_S, kill=kill)


def start(folder: Path, *, smtp_port: int = 0, http_port: int = 0) -> MailboxProcess:
    """Starts a mailbox that keeps its mails in `folder`, on free ports unless some are given.

    Raises MailboxStartError when it ends or stays silent; the reason stands in its message.
    """
    log = folder / "mailbox.log"
    said_before = log.stat().st_size if log.exists() else 0
    ports = ["--smtp-port", str(smtp_port), "--http-port", str(http_port)]
    ref = process.spawn([sys.executable, "-m", "deploy.local.mailbox", *ports, "--dir", str(folder)], log=log)

    def said() -> str:
        return log.read_bytes()[said_before:].decode("utf-8", "replace")

    process.wait_until(lambda: bool(_LISTENING.search(said())) or not process.alive(ref), deadline_s=READY_S)
    found = _LISTENING.search(said())
    if found is None:
        process.stop(ref, grace_s=0, kill=True)
        raise MailboxStartError(f"the mailbox did not start: {said().strip()[-500:] or 'it said nothing'}")
    return MailboxProcess(ref=ref, host=found[1], smtp_port=int(found[2]), url=found[3], log=log)
