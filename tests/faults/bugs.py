"""For each planted bug the course of events that brings it to light, and the line of the table that must show it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from deploy.local import ports
from deploy.local.stack import Stack
from services.chassis import marks
from tests.faults import load, size
from tests.faults.bus import TRADE
from tests.faults.crew import Aim
from tests.faults.found import NotQuietError
from tests.faults.midnight import midnight
from tests.faults.run import FIRST, SECOND, Run, opened
from tests.faults.runner import PLANT
from tests.faults.size import evening
from tests.faults.table import Table
from tests.faults.verdict import verdict
from tests.faults.wait import until

Course = Callable[[Run], Awaitable[None]]
KILLS: Final = 3
PATIENCE_S, IMPATIENCE_S = 45.0, 10.0


@dataclass(frozen=True, slots=True)
class Bug:
    """A planted bug; `shows` is how a line begins that has to be wrong. No course: it is laid bare by a midnight."""

    name: str
    course: Course | None
    shows: tuple[str, ...]
    patience_s: float = 45.0  # how long the service may take to come to rest; some bugs keep it from it


async def days(run: Run) -> None:
    """Nothing breaks; repeats come as always."""
    run.crew.join(FIRST)
    for day in range(run.load.size.days):
        await run.deliver(day)


def killed(stage: str, nth: int) -> Course:
    """The process is killed at one stage again and again."""

    async def course(run: Run) -> None:
        run.crew.aims[FIRST] = [Aim(stage, nth)] * KILLS
        await days(run)

    return course


async def beside(run: Run) -> None:
    """Two consumers, and people who write to whatever customer they please through either."""
    run.crew.join(FIRST)
    run.crew.join(SECOND)
    run.people.begin()
    for day in range(run.load.size.days):
        await run.deliver(day)
        await _rest(run, IMPATIENCE_S)
    await run.people.end()


async def grown(run: Run) -> None:
    """Partitions are added, and written to before anybody knows of them."""
    run.crew.join(FIRST)
    await _placed(run)
    await run.deliver(0)
    await run.quiet()
    await run.grow(12)
    for day in range(1, run.load.size.days):
        await run.deliver(day)


async def _placed(run: Run) -> None:
    """Wait until the service has read something of every partition there is."""
    wanted = await run.bus.partitions(TRADE)

    async def read() -> bool:
        await run.bus.complete(evening(-1))
        return wanted <= {partition for topic, partition in await run.store.places() if topic == TRADE}

    await until(read, PATIENCE_S, "every partition to be read")


async def everything(run: Run) -> None:
    """All of it in one: what a sound service has to come through."""
    run.crew.aims[FIRST] = [Aim(marks.IN_TRANSACTION, 2), Aim(marks.RELAY_BEFORE_WORD, 2), Aim(marks.IN_CLOCK, 1)]
    run.crew.join(FIRST)
    run.crew.join(SECOND)
    run.people.begin()
    for day in range(run.load.size.days):
        if day == 3:
            await run.grow(12)
        await run.deliver(day)
        await run.quiet()
    await run.people.end()


# Whose write is overwritten is chance: a person's, the clock's, or the other consumer's.
OVERWRITTEN: Final = (
    "answered comments",
    "alert events that nothing stored",
    "alerts that differ",
    "accounts that differ",
    "lost: tallies",
)
BUGS: Final = (
    Bug("offsets_first", killed(marks.IN_TRANSACTION, 3), ("lost: accepted events",)),
    Bug("no_inbox", days, ("applied twice",)),
    Bug("relay_marks_first", killed(marks.RELAY_BEFORE_WORD, 1), ("lost on the wire",)),
    Bug("clock_ahead", None, ("false alerts",)),
    Bug("stale_cache", beside, OVERWRITTEN, IMPATIENCE_S),
    Bug("latest", grown, ("lost: accepted events",), IMPATIENCE_S),
)


async def caught(bug: Bug | None, stack: Stack, *, say: Callable[[str], None]) -> Table:
    """The verdict on a service with a bug, or on a sound one under all the same faults."""
    env = {} if bug is None else {PLANT: bug.name}
    if bug is not None and bug.course is None:
        return await midnight(1, stack, "down", say=say, env=env)
    made = load.make(size.tiny(1), ports.choose())
    name = "sound" if bug is None else bug.name
    async with opened(stack, made, name, say=say, env=env) as run:
        await (everything if bug is None or bug.course is None else bug.course)(run)
        restless = await _rest(run, PATIENCE_S if bug is None else bug.patience_s)
        table = await verdict(run)
        table.none("what did not come to rest", restless)
        return table


async def _rest(run: Run, deadline_s: float) -> list[str]:
    # A bug may also keep the service from ever being done; what it has done by then shows the bug.
    try:
        await run.quiet(deadline_s)
    except NotQuietError as left:
        return [str(left)]
    return []
