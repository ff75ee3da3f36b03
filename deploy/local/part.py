"""A part of the stack (broker, database): what it takes to start it, and starting, awaiting and stopping it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from deploy.local import diagnose, ports, process
from deploy.local.errors import StackError
from deploy.local.fetch import require_space
from deploy.local.paths import Home
from deploy.local.process import ProcessRef
from deploy.local.report import Report
from deploy.local.state import Ports, State, change, load

_SPACE = 600_000_000
_GRACE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """How one part differs from the other.

    `ports` names those it listens on; `marks` are arguments, in a row, that only this folder's process has; `ready`
    asks and changes no data; `settle` is called between two such questions and may set something up in the part.
    """

    name: str
    ready_s: float
    ports: Callable[[Ports], dict[str, int]]
    address: Callable[[Ports], str]
    command: Callable[[Home, Ports, Report], list[str]]
    ready: Callable[[Ports], bool]
    marks: Callable[[Home], tuple[str, ...]]
    settle: Callable[[Ports], None] = lambda _ports: None


@dataclass(frozen=True, kw_only=True)
class Started:
    """A part whose process runs and which may not answer yet; its log for this run begins at byte `since`."""

    part: Part
    ref: ProcessRef
    since: int


def begin(part: Part, home: Home, report: Report) -> Started:
    """The part's running process, or a new one. Raises StackError when it cannot be started."""
    chosen = _ports(home)
    log = home.log_of(part.name)
    running = load(home).parts.get(part.name)
    if running and process.alive(running):
        return Started(part=part, ref=running, since=log.stat().st_size if log.exists() else 0)
    _stop_strays(part, home)
    for owner, port in part.ports(chosen).items():
        ports.require_free(port, owner)
    require_space(home.root, _SPACE)
    if running:
        report.say(f"{part.name} has died since the last start.")
    command = part.command(home, chosen, report)
    report.say(f"Starting {part.name} on {part.address(chosen)}")
    since = log.stat().st_size if log.exists() else 0
    try:
        ref = process.spawn(command, log=log, env=process.UTF8)
    except OSError as error:
        raise StackError(
            f"{command[0]} cannot be executed: {error.strerror}.",
            f"Use `docker compose up` here, or set RAPPORT_{part.name.upper()} to one that runs elsewhere.",
        ) from error
    change(home, lambda state: state.parts.update({part.name: ref}))
    return Started(part=part, ref=ref, since=since)


def finish(started: Started, home: Home) -> None:
    """Wait until the part takes work. Raises StackError when it dies meanwhile, or stays silent."""
    part, chosen = started.part, _ports(home)

    def over() -> bool:
        if not process.alive(started.ref) or part.ready(chosen):
            return True
        part.settle(chosen)
        return False

    done = process.wait_until(over, deadline_s=part.ready_s, poll_s=0.1)
    if not process.alive(started.ref):
        raise diagnose.dead(part.name, home, started.since)
    if not done:
        raise diagnose.silent(part.name, home, part.ready_s, started.since)


def stop(part: Part, home: Home, *, kill: bool = False) -> bool:
    """Stop the part's process, if it runs, and any left over from a state file that was lost. False: nothing ran."""
    stopped = process.stop(_recorded(part, home), grace_s=_GRACE_S, kill=kill)
    return _stop_strays(part, home) or stopped


@contextmanager
def undone_on_failure(parts: tuple[Part, ...], home: Home) -> Iterator[None]:
    """Whatever ends the block early, Ctrl-C included, ends the processes that it started; older ones stay."""
    before = {ref.pid for part in parts if (ref := _recorded(part, home)) and process.alive(ref)}
    try:
        yield
    except BaseException:
        for part in parts:
            # Found by their arguments, because the interruption may have come before their ids were written down.
            for ref in process.with_arguments(*part.marks(home)):
                if ref.pid not in before:
                    process.stop(ref, grace_s=0, kill=True)
            if (ref := _recorded(part, home)) and ref.pid not in before:
                process.stop(ref, grace_s=0, kill=True)
                change(home, partial(_forget, part))
        raise


def _forget(part: Part, state: State) -> None:
    state.parts.pop(part.name, None)


def _recorded(part: Part, home: Home) -> ProcessRef | None:
    try:
        return load(home).parts.get(part.name)
    except StackError:
        # A damaged state file must not keep `wipe` from ending what it can find without it.
        return None


def _stop_strays(part: Part, home: Home) -> bool:
    ended = [process.stop(stray, grace_s=_GRACE_S) for stray in process.with_arguments(*part.marks(home))]
    return any(ended)


def _ports(home: Home) -> Ports:
    """The ports of this folder, chosen at the first start."""

    def edit(state: State) -> None:
        if state.ports is None:
            broker = ports.choose()
            controller = ports.choose({broker})
            state.ports = Ports(kafka=broker, controller=controller, mongo=ports.choose({broker, controller}))

    known = load(home).ports or change(home, edit).ports
    if known is None:
        raise AssertionError("the edit above chose ports")
    return known
