"""From the end of a dead process's log to what its user can do."""

import json
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.paths import Home

_LINES = 12
_WIDTH = 300
_RECENT = 8_000
_DISK_FULL = ("No space left on device", "Disk quota exceeded")
_PORT_TAKEN = ("Address already in use", "address already in use")
_LIBRARY = ("error while loading shared libraries",)
_NEWER = ("Invalid feature compatibility version", "unsupported WiredTiger file version", "Unknown metadata.version")
_DAMAGED = (
    "CorruptRecordException",
    "InconsistentClusterIdException",
    "KafkaStorageException",
    "meta.properties",
    "node ID not found",
    "WT_PANIC",
    "WT_TRY_SALVAGE",
    "Failed to start up WiredTiger",
    "metadata corruption",
    "may be due to data corruption",
    "read the storage engine metadata",
)


def dead(name: str, home: Home, since: int) -> StackError:
    """Why `name` died, judged by what it logged after byte `since` of its log."""
    log = home.log_of(name)
    text = _written(log, since)
    what, next_step = _verdict(name, home, text)
    return StackError(what, next_step, log_tail=tail(log, since))


def died(name: str, home: Home, pid: int) -> str:
    """What to say of a process that ran and is gone."""
    log = home.log_of(name)
    told = tail(log, max(0, log.stat().st_size - _RECENT)) if log.is_file() else ""
    return f"{name} (process {pid}) has died; `rapport stack up` starts it again. The end of {log}:\n{told}"


def silent(name: str, home: Home, seconds: float, since: int) -> StackError:
    """`name` runs but did not answer in time."""
    log = home.log_of(name)
    return StackError(
        f"{name} was started but did not answer within {seconds:.0f} seconds.",
        f"Look at {log}, then run `rapport stack down` and `rapport stack up`.",
        log_tail=tail(log, since),
    )


def tail(log: Path, since: int = 0) -> str:
    """The last lines that tell something, of what was logged after byte `since`; nothing when there is no log."""
    lines = [line for raw in _written(log, since).splitlines() if (line := _readable(raw))]
    return "\n".join(line[:_WIDTH] for line in lines[-_LINES:])


def _written(log: Path, since: int) -> str:
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(since)
        return file.read().decode(errors="replace")


def _readable(line: str) -> str:
    """A line as it is, without Java's stack frames; of mongod's JSON lines only warnings and errors, in words."""
    if line.startswith("\tat "):
        return ""
    if not line.startswith('{"t":'):
        return line
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return line
    if entry.get("s") not in {"W", "E", "F"}:
        return ""
    details = entry.get("attr", {})
    # The storage engine packs its own words into a document of its own.
    inner = details.get("message")
    shown = inner["msg"] if isinstance(inner, dict) and "msg" in inner else json.dumps(details) if details else ""
    return f"{entry['t']['$date']} {entry['s']} {entry['msg'].strip()} {shown}".rstrip()


def _verdict(name: str, home: Home, text: str) -> tuple[str, str]:
    def says(signs: tuple[str, ...]) -> bool:
        return any(sign in text for sign in signs)

    again = "run `rapport stack up` again"
    if says(_DISK_FULL):
        return f"{name} stopped: the disk of {home.root} is full.", f"Make room there and {again}."
    if says(_PORT_TAKEN):
        return f"{name} stopped: its port is taken by another program.", "Run `rapport stack up --new-ports`."
    if says(_LIBRARY):
        instead = f"use `docker compose up`, or set RAPPORT_{name.upper()}"
        return f"{name} cannot run on this system: a library is missing.", f"Install it (named below), or {instead}."
    if says(_NEWER):
        return (
            f"The data in {home.root} was written by a newer {name} than the one found now.",
            "Put the newer one back on the PATH, or run `rapport stack wipe` to start afresh.",
        )
    if says(_DAMAGED):
        return (
            f"The data folder {home.root} is damaged: {name} cannot read its part of it.",
            "Run `rapport stack wipe` to start afresh, or put back a copy of the folder.",
        )
    return f"{name} died while starting.", f"Look at {home.log_of(name)} and {again}."
