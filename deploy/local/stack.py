"""The local stack as plain functions: up, down, status, wipe, and each part by itself for tests that break things.

Each works on one data folder (the default one unless `home` is given) and raises StackError, saying what to do next.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import diagnose, kafka, mongo, process
from deploy.local.errors import StackError
from deploy.local.lock import locked
from deploy.local.part import Part, begin, finish, stop, undone_on_failure
from deploy.local.paths import Home, default_home
from deploy.local.report import Report, Silent
from deploy.local.state import MAILBOX, State, change, load

_SERVICE_GRACE_S = 30.0
_LOCK_S = 300.0
_KAFKA, _MONGO = kafka.part(), mongo.part()


@dataclass(frozen=True)
class Given:
    """Addresses of a broker and a database that exist already; what is given is never started nor stopped."""

    kafka: str | None = None
    mongo: str | None = None

    @classmethod
    def from_environment(cls) -> "Given":
        """RAPPORT_KAFKA (host:port) and RAPPORT_MONGO (a mongodb:// address)."""
        return cls(kafka=os.environ.get("RAPPORT_KAFKA") or None, mongo=os.environ.get("RAPPORT_MONGO") or None)


@dataclass(frozen=True)
class Stack:
    """A running stack: its data folder, the broker's host:port and the database's address."""

    home: Path
    kafka: str
    mongo: str


@dataclass(frozen=True)
class Status:
    """What runs (addresses; None for what does not) and, as sentences, what should run and does not."""

    kafka: str | None = None
    mongo: str | None = None
    mailbox: str | None = None
    services: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def up(
    home: Path | None = None, *, given: Given | None = None, report: Report | None = None, new_ports: bool = False
) -> Stack:
    """Start what is not running and return when broker and database take work; at once when they already do.

    `given` replaces RAPPORT_KAFKA and RAPPORT_MONGO; `new_ports` gives the folder other ports than it has used so far.
    """
    place, given, report = place_of(home), given or Given.from_environment(), report or Silent()
    addresses = {kafka.NAME: given.kafka, mongo.NAME: given.mongo}
    # The database first: it settles while the broker is still being fetched and formatted.
    own = tuple(part for part in (_MONGO, _KAFKA) if addresses[part.name] is None)
    with _alone(place, report):
        if new_ports:
            _stop_parts(own, place)
            _forget(own, (), place)
            change(place, _forget_ports)
        started = _start(own, place, report)
    return Stack(home=place.root, kafka=given.kafka or started[kafka.NAME], mongo=given.mongo or started[mongo.NAME])


def down(home: Path | None = None, *, report: Report | None = None) -> list[str]:
    """Stop everything of this data folder, services first, and return the names of what was running."""
    place = place_of(home)
    if not place.root.exists():
        return []
    with _alone(place, report or Silent()):
        registered, stopped = _stop_everything(place)
        _forget((_KAFKA, _MONGO), registered, place)
        return stopped


def status(home: Path | None = None, *, given: Given | None = None) -> Status:
    """What runs now; nothing is started, stopped or written."""
    place, given = place_of(home), given or Given.from_environment()
    state = load(place)
    addresses: dict[str, str | None] = {kafka.NAME: given.kafka, mongo.NAME: given.mongo}
    problems = []
    for part in (_KAFKA, _MONGO):
        if addresses[part.name] is None:
            addresses[part.name], problem = _condition(part, state, place)
            problems += [problem] if problem else []
    running = {name: entry.url for name, entry in state.registered.items() if process.alive(entry.process)}
    problems += [f"{name} has died; start it again." for name in sorted(set(state.registered) - set(running))]
    mailbox = running.pop(MAILBOX, None)
    return Status(addresses[kafka.NAME], addresses[mongo.NAME], mailbox, running, tuple(problems))


def wipe(home: Path | None = None, *, report: Report | None = None) -> Path:
    """Stop everything and remove the data folder; the downloads, shared with other checkouts, stay. Returns the folder.

    In a folder that held other things before, only what the stack itself wrote is removed.
    """
    place = place_of(home)
    if not place.root.exists():
        return place.root
    with _alone(place, report or Silent()):
        # Nothing is noted down on the way: the disk may be full, and what is noted is removed anyway.
        _stop_everything(place)
        if place.marked:
            shutil.rmtree(place.root)
            return place.root
        for folder in (place.kafka, place.mongo, place.logs):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (place.state, place.kafka_properties, place.state_lock, place.command_lock):
            file.unlink(missing_ok=True)
    return place.root


def start_kafka(home: Path | None = None, *, report: Report | None = None) -> str:
    """Start this folder's broker, unless it runs, and return its host:port once it takes work."""
    return _start_one(_KAFKA, home, report)


def start_mongo(home: Path | None = None, *, report: Report | None = None) -> str:
    """Start this folder's database, unless it runs, and return its address once it takes writes."""
    return _start_one(_MONGO, home, report)


def stop_kafka(home: Path | None = None, *, kill: bool = False) -> bool:
    """Stop this folder's broker, orderly or by SIGKILL, as a death. False: it was not running."""
    return _stop_one(_KAFKA, home, kill)


def stop_mongo(home: Path | None = None, *, kill: bool = False) -> bool:
    """Stop this folder's database, orderly or by SIGKILL, as a death. False: it was not running."""
    return _stop_one(_MONGO, home, kill)


def place_of(home: Path | None = None) -> Home:
    """The places inside this data folder, or inside the default one."""
    return default_home() if home is None else Home(home.expanduser().resolve())


@contextmanager
def _alone(place: Home, report: Report) -> Iterator[None]:
    """One command at a time starts or stops things in a folder."""
    place.make()
    waiting = "Another `rapport stack` command works on this data folder; waiting for it."
    with locked(place.command_lock, wait_s=_LOCK_S, waiting=lambda: report.say(waiting)):
        try:
            yield
        except OSError as error:
            raise StackError(
                f"The data folder {place.root} cannot be used: {error}.",
                "Make room there, or set RAPPORT_HOME to a folder on another disk that you may write to.",
            ) from error


def _start(parts: tuple[Part, ...], place: Home, report: Report) -> dict[str, str]:
    with undone_on_failure(parts, place):
        for started in [begin(part, place, report) for part in parts]:
            finish(started, place)
    chosen = load(place).ports
    return {part.name: part.address(chosen) for part in parts if chosen}


def _start_one(part: Part, home: Path | None, report: Report | None) -> str:
    place, report = place_of(home), report or Silent()
    with _alone(place, report):
        return _start((part,), place, report)[part.name]


def _stop_one(part: Part, home: Path | None, kill: bool) -> bool:
    place = place_of(home)
    stopped = stop(part, place, kill=kill)
    if not kill:
        _forget((part,), (), place)
    return stopped


def _stop_everything(place: Home) -> tuple[list[str], list[str]]:
    """Stop what is registered, then broker and database. Returns what was registered, and all that was running."""
    registered = load(place).registered if _readable(place) else {}
    # Whoever calls may be on the list itself, as a demo is, and stops by returning.
    others = {name: entry.process for name, entry in registered.items() if entry.process.pid != os.getpid()}
    with ThreadPoolExecutor() as pool:
        ended = pool.map(lambda ref: process.stop(ref, grace_s=_SERVICE_GRACE_S), others.values())
        stopped = [name for name, was_running in zip(others, ended, strict=True) if was_running]
    return list(others), stopped + _stop_parts((_KAFKA, _MONGO), place)


def _stop_parts(parts: tuple[Part, ...], place: Home) -> list[str]:
    with ThreadPoolExecutor() as pool:
        ended = pool.map(lambda part: stop(part, place), parts)
        return [part.name for part, was_running in zip(parts, ended, strict=True) if was_running]


def _forget(parts: Iterable[Part], registered: Iterable[str], place: Home) -> None:
    """Note that these were meant to end, so that they do not count as dead."""

    def edit(state: State) -> None:
        for part in parts:
            state.parts.pop(part.name, None)
        for name in registered:
            state.registered.pop(name, None)

    if _readable(place):
        change(place, edit)


def _readable(place: Home) -> bool:
    """Whether there is a sound state file to go by; without one, processes are found by their arguments."""
    try:
        load(place)
    except StackError:
        return False
    return place.state.exists()


def _condition(part: Part, state: State, place: Home) -> tuple[str | None, str | None]:
    """The address of a part that takes work, or what is wrong with one that should."""
    ref = state.parts.get(part.name)
    if ref is None or state.ports is None:
        return None, None
    if not process.alive(ref):
        return None, diagnose.died(part.name, place, ref.pid)
    if not part.ready(state.ports):
        return None, f"{part.name} (process {ref.pid}) runs but does not answer. Its log: {place.log_of(part.name)}"
    return part.address(state.ports), None


def _forget_ports(state: State) -> None:
    state.ports = None
