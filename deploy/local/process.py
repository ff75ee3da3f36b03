"""Processes that outlive the command that started them: start, know again, wait for, stop."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

# Without a UTF-8 locale, Java cannot open a folder with a name that is not ASCII.
UTF8 = {"LC_ALL": "C.UTF-8"}

_POLL_S = 0.05
_LOG_LIMIT = 10_000_000
# Children of this very process have to be reaped by it, or they stay visible after their death.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


class ProcessRef(msgspec.Struct, frozen=True, kw_only=True):
    """A process that can be known again: ids are reused, an id together with the moment of birth is not."""

    pid: int
    born: str


def spawn(command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> ProcessRef:
    """Start `command` in a session of its own, so that a Ctrl-C in this terminal spares it; output goes to `log`.

    `env` is added to this process's environment.

    Raises OSError when the program cannot be executed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    _CHILDREN[child.pid] = child
    return ProcessRef(pid=child.pid, born=_birth(child.pid) or "")


def ref_of(pid: int) -> ProcessRef | None:
    """The running process with this id, or None."""
    born = _birth(pid)
    return None if born is None else ProcessRef(pid=pid, born=born)


def alive(process: ProcessRef | None) -> bool:
    """Whether exactly this process still runs."""
    if process is None:
        return False
    if child := _CHILDREN.get(process.pid):
        child.poll()
    return _birth(process.pid) == process.born


def stop(process: ProcessRef | None, *, grace_s: float, kill: bool = False) -> bool:
    """End the process by SIGTERM and, after `grace_s` seconds, or at once with `kill`, by SIGKILL.

    False when it was not running.
    """
    if process is None or not alive(process):
        return False
    if not kill:
        _signal(process, signal.SIGTERM)
        if wait_until(lambda: not alive(process), deadline_s=grace_s):
            return True
    _signal(process, signal.SIGKILL)
    wait_until(lambda: not alive(process), deadline_s=10)
    return True


def wait_until(condition: Callable[[], bool], *, deadline_s: float, poll_s: float = _POLL_S) -> bool:
    """Poll until the condition holds; False when it did not within `deadline_s` seconds."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll_s)
    return True


def with_arguments(*wanted: str) -> list[ProcessRef]:
    """The running processes whose command line has these arguments in a row (on Linux; elsewhere none are found)."""
    needle = b"\0" + b"\0".join(os.fsencode(argument) for argument in wanted) + b"\0"
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command_line = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # It ended while we looked, or belongs to somebody else.
        if needle in command_line and (process := ref_of(int(folder.name))):
            found.append(process)
    return found


def _signal(process: ProcessRef, number: signal.Signals) -> None:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return  # It ended by itself in between, which is what was wanted.


def _birth(pid: int) -> str | None:
    """When this process was born, as text that is equal only for the same process; None when it does not run."""
    if not Path("/proc/self/stat").exists():
        return _birth_by_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    # While other threads of a killed process are still ending, its ports and locks are still held.
    if state in "ZX" and int(fields[16]) <= 1:
        return None
    # Ticks count from the machine's start, so its id belongs to the moment.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{fields[18]}"


def _birth_by_ps(pid: int) -> str | None:
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
