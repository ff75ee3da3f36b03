"""The state file of a data folder: its ports and the processes that belong to it, whoever started them."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from deploy.local.errors import StackError
from deploy.local.lock import locked
from deploy.local.paths import Home, default_home
from deploy.local.process import ProcessRef, ref_of

MAILBOX = "mailbox"


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """The ports of the broker, of its controller and of the database."""

    kafka: int
    controller: int
    mongo: int


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A process that somebody else started and that `down` stops: a service or the mailbox."""

    url: str
    process: ProcessRef


class State(msgspec.Struct, kw_only=True):
    """What is known about a data folder. `home` is where it was written: a copied folder owns none of the processes."""

    home: str
    ports: Ports | None = None
    parts: dict[str, ProcessRef] = {}
    registered: dict[str, Registered] = {}


def load(home: Home) -> State:
    """The state of this folder; an empty one when there is none, or when it was copied from elsewhere.

    Raises StackError when the file is damaged.
    """
    try:
        state = msgspec.json.decode(home.state.read_bytes(), type=State)
    except FileNotFoundError:
        return State(home=str(home.root))
    except msgspec.DecodeError as error:
        raise StackError(
            f"The data folder {home.root} is damaged: {home.state.name} cannot be read ({error}).",
            "Run `rapport stack wipe` to start afresh, or put back a copy of the folder.",
        ) from error
    return state if state.home == str(home.root) else State(home=str(home.root))


def change(home: Home, edit: Callable[[State], object]) -> State:
    """Load, edit and store the state while nobody else does."""
    with locked(home.state_lock, wait_s=10):
        state = load(home)
        edit(state)
        draft = Path(f"{home.state}.{os.getpid()}")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
        draft.replace(home.state)
    return state


def register(name: str, url: str, pid: int, home: Home | None = None) -> None:
    """Note a running service, or the mailbox (name "mailbox"): `status` shows its address, `down` stops it.

    Raises StackError when there is no such process.
    """
    process = ref_of(pid)
    if process is None:
        raise StackError(f"{name} (process {pid}) is not running.", f"Look at the log of {name} and start it again.")
    home = home or default_home()
    home.make()

    def edit(state: State) -> None:
        state.registered[name] = Registered(url=url, process=process)

    change(home, edit)


def forget(name: str, home: Home | None = None) -> None:
    """Take a service, or the mailbox, off the list, because it has ended. Nothing happens when it is not on it."""
    home = home or default_home()
    if home.state.exists():
        change(home, lambda state: state.registered.pop(name, None))
