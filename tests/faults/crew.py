"""The processes under test: started with an aim at a stage, watched, and started again at once when they are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import ports, process
from deploy.local.services import environment
from deploy.local.stack import Stack, place_of
from deploy.local.state import forget, register
from tests.faults.runner import NOTES

ROOT = Path(__file__).parent.parent.parent
GRACE_S = 30.0
LOOK_S = 0.02


class DiedError(AssertionError):
    """A process ended that nobody had aimed at."""


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a process is to be killed: the nth time it reaches a stage."""

    stage: str
    nth: int

    def __str__(self) -> str:
        return f"{self.stage}:{self.nth}"


@dataclass
class Death:
    """A kill that has landed. Moments are seconds since 1970; `committed` is the first commit of its successor, the
    process `next`; None where that was killed before it, or found nothing to do.
    """

    aim: Aim
    name: str
    at: float
    during: str
    next: int
    committed: float | None = None

    @property
    def pause(self) -> float | None:
        """Seconds until something was committed again."""
        return None if self.committed is None else self.committed - self.at


@dataclass
class Crew:
    """All processes of one run, by name."""

    stack: Stack
    env: Mapping[str, str]
    folder: Path
    during: str = ""  # what the run is doing, for the record of deaths
    aims: dict[str, list[Aim]] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    deaths: list[Death] = field(default_factory=list)
    ends: int = 0  # how often a process or a server went without a word

    def join(self, name: str) -> Member:
        """Start a process; it is started again whenever an aimed kill lands, until it leaves."""
        member = Member(self, name)
        self.members[name] = member
        member.start()
        return member

    @property
    def urls(self) -> list[str]:
        """Where the living answer."""
        return [member.url for member in self.members.values() if process.alive(member.ref)]

    async def leave(self, name: str) -> None:
        """Stop a process in an orderly way.

        Raises:
            DiedError: it had to be killed, or had died.
        """
        member = self.members.pop(name)
        await member.watch_no_more()
        started = time.monotonic()
        was = process.alive(member.ref)
        await asyncio.to_thread(process.stop, member.ref, grace_s=GRACE_S)
        forget(name, place_of(self.stack.home))
        self._spared(member)
        if not was or time.monotonic() - started > GRACE_S:
            raise DiedError(f"{name} did not stop by itself:\n{member.tail()}")

    async def kill(self, name: str) -> None:
        """SIGKILL, and no restart."""
        member = self.members.pop(name)
        self.ends += 1
        await member.watch_no_more()
        await asyncio.to_thread(process.stop, member.ref, grace_s=0, kill=True)
        forget(name, place_of(self.stack.home))
        self._spared(member)

    def _spared(self, member: Member) -> None:
        """Leave what it was aimed at, and was not killed at, to its successor."""
        if member.aim is not None and not member.struck:
            self.aims[member.name] = [member.aim, *self.aims.get(member.name, [])]

    async def strike(self, name: str) -> bool:
        """SIGKILL at any moment, and start it again with the aim it had; returns False where that was quicker."""
        member = self.members[name]
        self.freeze(name, frozen=True)  # so that it is either here or there
        if member.struck:
            return False
        await self.kill(name)
        self.join(name)
        return True

    def freeze(self, name: str, frozen: bool) -> None:
        """Suspend a process, as a machine does that is moved or starved, or let it go on."""
        os.kill(self.members[name].ref.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    async def disband(self) -> None:
        """End all that is left, however the run went."""
        for name in list(self.members):
            await self.kill(name)

    def well(self) -> None:
        """Raises DiedError where a process ended that nobody had aimed at."""
        for member in self.members.values():
            if member.failed is not None:
                raise member.failed

    def measure(self) -> None:
        """Find the first commit after each death."""
        notes = self.folder / "commits"
        lines = [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []
        first = {int(pid): float(moment) for pid, moment in lines}
        for death in self.deaths:
            death.committed = first.get(death.next)


@dataclass
class Member:
    """One process and its successors under the same name."""

    crew: Crew
    name: str
    url: str = ""
    aim: Aim | None = None
    ref: process.ProcessRef = field(default_factory=lambda: process.ProcessRef(pid=0, born=""))
    failed: DiedError | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.crew.folder / f"{self.name}.log"

    @property
    def kills(self) -> Path:
        """Where a process writes down that it is killed."""
        return self.crew.folder / f"{self.name}.kills"

    @property
    def struck(self) -> bool:
        """Whether its aimed kill has landed."""
        lines = self.kills.read_text().split() if self.kills.exists() else []
        return self.aim is not None and str(self.ref.pid) in lines

    def tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:])

    def start(self) -> None:
        """Start it, aimed at what is next on its list."""
        waiting = self.crew.aims.get(self.name, [])
        self.aim = waiting.pop(0) if waiting else None
        port = ports.choose()
        self.url = f"http://127.0.0.1:{port}"
        env = {
            **environment(self.crew.stack),
            "PYTHONPATH": str(ROOT),
            "RAPPORT_ALERTS_HTTP_PORT": str(port),
            "RAPPORT_KAFKA_GROUP_INSTANCE_ID": self.name,
            "RAPPORT_KILL_LOG": str(self.kills),
            "RAPPORT_KILL_AT": str(self.aim or ""),
            NOTES: str(self.crew.folder / "commits"),
            **self.crew.env,
        }
        self.ref = process.spawn([sys.executable, "-m", "tests.faults.runner"], log=self.log, env=env)
        register(self.name, self.url, self.ref.pid, place_of(self.crew.stack.home))
        if self._task is None:
            self._task = asyncio.create_task(self._watch(), name=f"watch {self.name}")

    async def watch_no_more(self) -> None:
        """Let its end be its end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while self.failed is None:
            if not process.alive(self.ref):
                self._died()
            await asyncio.sleep(LOOK_S)

    def _died(self) -> None:
        if self.aim is None or not self.struck:
            self.failed = DiedError(f"{self.name} (aimed at {self.aim}) died by itself:\n{self.tail()}")
            return
        aim, at, during = self.aim, self.kills.stat().st_mtime, self.crew.during
        self.start()
        self.crew.ends += 1
        self.crew.deaths.append(Death(aim, self.name, at, during, self.ref.pid))
