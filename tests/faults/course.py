"""The course of a seed: simulated days are delivered, and on each of them something breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from services.chassis import marks
from tests.faults.crew import Aim
from tests.faults.run import FIRST, SECOND, Run
from tests.faults.size import Size

# How late in a process's life a kill may land: the nth time it reaches the stage.
NTH: Final = {
    marks.IN_TRANSACTION: (2, 6),
    marks.AFTER_COMMIT: (2, 5),
    marks.RELAY_BEFORE_WORD: (1, 3),
    marks.RELAY_AFTER_WORD: (1, 3),
    marks.IN_CLOCK: (1, 2),
    marks.MAIL_BEFORE_ANSWER: (1, 2),
    marks.MAIL_AFTER_ANSWER: (1, 2),
    marks.HOOK_BEFORE_ANSWER: (1, 2),
    marks.HOOK_AFTER_ANSWER: (1, 2),
}
GROWN: Final = 12
Step = Callable[[Run, int], Awaitable[None]]


def aims(size: Size) -> list[Aim]:
    """The kills of a seed, in an order of its own."""
    draw = Random(f"{size.seed}/kills")
    stages = [
        stage for stage in marks.STAGES for _ in range(size.inside if stage == marks.IN_TRANSACTION else size.kills)
    ]
    draw.shuffle(stages)
    # A short seed has so little to do in a day that only the first times are sure to come.
    return [Aim(stage, draw.randint(*NTH[stage]) if size.kills > 1 else NTH[stage][0]) for stage in stages]


async def calm(run: Run, day: int) -> None:
    """Nothing breaks."""
    await run.deliver(day)


async def kills(run: Run, day: int) -> None:
    """The process is killed where it was aimed at, again and again, while the day is read."""
    days = [other for other, step in schedule(run.load.size).items() if step is kills]
    done = len(run.crew.deaths)
    if day == days[0]:
        run.crew.aims[FIRST] = aims(run.load.size)
        await run.crew.leave(FIRST)
        run.crew.join(FIRST)
    ahead = len(run.crew.aims[FIRST]) + 1
    await run.deliver(day)
    await run.deaths(done + -(-ahead // (days[-1] - day + 1)))
    run.note(f"{len(run.crew.deaths) - done} kills")


async def two(run: Run, day: int) -> None:
    """A second consumer joins, both are killed, and it leaves."""
    await run.quiet()
    run.crew.aims[SECOND] = [Aim(marks.IN_TRANSACTION, 3), Aim(marks.AFTER_COMMIT, 2)]
    run.crew.join(SECOND)
    half = len(run.load.days[day]) // 2
    await run.deliver(day, slice(half), last=False)
    await asyncio.sleep(run.draw.random() * 3)
    await run.deliver(day, slice(half, None))
    await run.deaths(len(run.crew.deaths) + 2, deadline_s=20)
    await run.crew.leave(SECOND)
    run.crew.aims[SECOND].clear()
    run.note("second consumer joined and left")


async def broker(run: Run, day: int) -> None:
    """The broker goes in the middle of the day."""
    await run.deliver(day)
    await run.without_broker(kill=day % 2 == 1)


async def database(run: Run, day: int) -> None:
    """The database goes in the middle of the day."""
    await run.deliver(day)
    await run.without_database(kill=day % 2 == 1)


async def both(run: Run, day: int) -> None:
    """First the broker goes, then the database."""
    await broker(run, day)
    await run.without_database(kill=True)


async def grow(run: Run, day: int) -> None:
    """Partitions are added in the middle of the day, and written to at once, while a second consumer comes."""
    half = len(run.load.days[day]) // 2
    await run.deliver(day, slice(half), last=False)
    await run.grow(GROWN)
    await run.deliver(day, slice(half, None))
    run.crew.join(SECOND)
    await run.quiet()
    await run.crew.leave(SECOND)


async def regroup(run: Run, day: int) -> None:
    """The group's offsets are deleted while nobody reads."""
    await run.crew.leave(FIRST)
    await run.deliver(day)
    await run.forget_group()
    run.crew.join(FIRST)


async def grow_and_regroup(run: Run, day: int) -> None:
    """Both, one after the other."""
    await grow(run, day)
    await run.crew.leave(FIRST)
    await run.forget_group()
    run.crew.join(FIRST)


async def farewell(run: Run, day: int) -> None:
    """Some customers are erased; what comes about them afterwards is refused."""
    await run.erase()
    await run.deliver(day)


async def forgetful(run: Run, day: int) -> None:
    """Ids of technical events are forgotten with their months, and the events come again."""
    await run.forget_inbox(day)
    await run.deliver(day)


async def outage(run: Run, day: int) -> None:
    """The service is down while days pass, due dates among them, and payments come."""
    down = run.load.size.outage
    if day == down.start:
        await run.quiet()
        await run.crew.kill(FIRST)
    await run.deliver(day)
    if day == down.stop - 1:
        run.crew.join(FIRST)
        run.note(f"down for {len(down)} days, across {run.load.size.waiting:,} due dates")
        await run.quiet()


LONG: Final[tuple[Step, ...]] = (
    calm, *[kills] * 10, two, calm, farewell, broker, broker, database, database, grow, regroup, forgetful,
    *[outage] * 3, calm, calm,
)  # fmt: skip
SHORT: Final[tuple[Step, ...]] = (
    calm, *[kills] * 3, two, both, grow_and_regroup, farewell, forgetful, *[outage] * 3, calm, calm,
)  # fmt: skip


def schedule(size: Size) -> dict[int, Step]:
    """What happens on which day."""
    steps = LONG if size.days == len(LONG) else SHORT
    return dict(enumerate(steps))


async def live(run: Run) -> None:
    """All days, one after another; then everything comes to rest and the processes stop by themselves."""
    run.crew.join(FIRST)
    run.people.begin()
    for day, step in schedule(run.load.size).items():
        await step(run, day)
        run.crew.well()
    await run.people.end()
    await run.quiet()
    for name in list(run.crew.members):
        await run.crew.leave(name)
    run.crew.measure()
