"""Work of accounts that are one customer is folded at the desk of their root (ties.py). For who has one account this
costs a look at his head, which is loaded anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .aggregate import Head, Kind, State
from .claims import Subject
from .mongo import Database
from .work import Work


class Led(NamedTuple):
    """Work by the desk at which it is folded, and the heads that led away from themselves: what they say must still
    hold when the rest is stored.
    """

    works: dict[Subject, list[Work]]
    signposts: list[State]


def led(states: Iterable[State], works: Iterable[Work], kinds: Mapping[str, Kind]) -> Led:
    """Where each piece of work belongs, given the heads of the accounts it came with."""
    own = {(state.head, state.subject): state for state in states}
    found: dict[Subject, list[Work]] = defaultdict(list)
    for work in works:
        at = (work.head.name, work.subject)
        found[desk_of(own[at], work, kinds)].append(work)
    return Led(found, [state for at, state in own.items() if at not in found])


def desk_of(state: State, work: Work, kinds: Mapping[str, Kind]) -> Subject:
    """The desk of one piece of work; `state` is that of the account it came with."""
    kind = kinds[state.head]
    whole = work.handler is not None and work.handler.to_root
    if state.root and (whole or (isinstance(kind, Head) and kind.gathers)):
        return state.head, state.root
    return state.head, state.subject


async def accounts_of(db: Database, head: Head[Any], account: str) -> list[str]:
    """All accounts of the customer whose one this is, for readers: his root first."""
    root = await root_of(db, head, account)
    doc = await db[head.name].find_one({"_id": root}, projection={"kin": 1})
    return [root, *(doc or {}).get("kin", ())]


async def root_of(db: Database, head: Head[Any], account: str) -> str:
    """The root of an account, for readers; the account itself where it is no other's."""
    doc = await db[head.name].find_one({"_id": account}, projection={"root": 1})
    root: str = (doc or {}).get("root", account)
    return root
