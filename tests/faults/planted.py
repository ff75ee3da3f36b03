"""Bugs planted into a running service, to show that the fault run notices them.

Each takes out one of the things that the guarantees rest on. They are put in by the runner, in a process of its own,
when a test asks for one by name; nothing of this is in the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from pymongo import InsertOne, ReplaceOne, UpdateOne

from services.alerts.model.notification import Notification, begun
from services.alerts.pipeline import opening
from services.chassis import plan, transaction
from services.chassis.apply import Applier
from services.chassis.batch import Outcome, Position
from services.chassis.clock import Clock
from services.chassis.fold import Folded
from services.chassis.intake import Intake
from services.chassis.ledger import Ledger, inbox_of
from services.chassis.mongo import Below, Session
from services.chassis.relay import Relay
from services.chassis.work import Dead, Work


def offsets_first() -> None:
    """How far was read is stored before what was read is applied."""
    apply = Applier.apply

    async def early(
        self: Applier,
        works: list[Work],
        positions: Iterable[Position] = (),
        unread: Iterable[Dead] = (),
        *rest: Any,
        **named: Any,
    ) -> Outcome:
        await self.move(list(positions))
        return await apply(self, works, (), unread, *rest, **named)

    _replace(Applier, "apply", early)


def no_inbox() -> None:
    """What was applied before is applied again."""

    async def nothing(self: Ledger, works: Iterable[Work]) -> set[str]:
        return set()

    def over(db: Below, works: list[Work], session: Session) -> None:
        for work in works:
            if work.row is not None:
                name = "ledger" if work.keep else inbox_of(work.now)
                db[name].replace_one({"_id": work.row["_id"]}, work.row, upsert=True, session=session)

    _replace(Ledger, "known", nothing)
    _replace(Ledger, "known_earlier", nothing)
    _replace(transaction, "insert_rows", over)


def relay_marks_first() -> None:
    """The outbox forgets a row when it is handed over, not when the broker has it."""
    send = Relay._send

    async def forgetful(self: Relay, producer: Any, rows: list[dict[str, Any]]) -> Any:
        await self.outbox.delete_many({"_id": {"$in": [row["_id"] for row in rows]}})
        return await send(self, producer, rows)

    _replace(Relay, "_send", forgetful)


def clock_ahead() -> None:
    """The clock goes by the wall, whatever lies unread."""

    async def now(self: Clock) -> datetime:
        return datetime.now(UTC)

    _replace(Clock, "read", now)


def stale_cache() -> None:
    """States from the cache are stored without a look at their version."""
    write = plan.head_write

    def blind(one: Folded, *rest: Any) -> Any:
        wanted: Any = write(one, *rest)
        subject = {"_id": one.state.subject}
        if isinstance(wanted, UpdateOne):
            return UpdateOne(subject, wanted._doc)
        return wanted if isinstance(wanted, InsertOne) else ReplaceOne(subject, wanted._doc)

    _replace(plan, "head_write", blind)


def latest() -> None:
    """A partition nobody has read begins at its end."""
    place = Intake._place

    async def late(self: Intake, partitions: set[Any]) -> None:
        stored = await self.applier.positions()
        beginning = self.consumer.beginning_offsets

        async def ends(asked: list[Any]) -> dict[Any, int]:
            first, last = await beginning(asked), await self.consumer.end_offsets(asked)
            return {tp: first[tp] if (tp.topic, tp.partition) in stored else last[tp] for tp in asked}

        self.consumer.beginning_offsets = ends
        try:
            await place(self, partitions)
        finally:
            self.consumer.beginning_offsets = beginning

    _replace(Intake, "_place", late)


def undoubted() -> None:
    """An attempt that was open when its process died is forgotten."""

    def fresh(held: Notification, at: datetime, by: str) -> Notification:
        heard = held.attempts[:-1] if held.state == "sending" else held.attempts
        return begun(msgspec.structs.replace(held, state="queued", attempts=heard), at, by)

    _replace(opening, "begun", fresh)


def _replace(owner: Any, name: str, other: Callable[..., Any]) -> None:
    if not hasattr(owner, name):
        raise AttributeError(f"{owner.__name__} has no {name} any more: plant the bug where its work is done now")
    setattr(owner, name, other)


PLANTS: Final[dict[str, Callable[[], None]]] = {
    plant.__name__: plant
    for plant in (offsets_first, no_inbox, relay_marks_first, clock_ahead, stale_cache, latest, undoubted)
}
