"""One process: its wiring is checked, people's writes go by the one door, and it ends as it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from contracts.events.lifecycle import OwnerChanged
from contracts.refusal import Refused
from contracts.registry import TOPICS
from deploy.local.stack import Stack
from services.chassis.runtime import Runtime
from services.chassis.service import Service
from services.chassis.topics import apply_topics
from tests.chassis.lab import NOW, lab_service, lab_settings, said, unique

pytestmark = pytest.mark.stack


def refusing() -> Service:
    """The lab's service; its command refuses the owner `nobody`."""
    service = lab_service()
    fold = service.handlers[OwnerChanged.TYPE].fold

    def decide(desk: object, event: object) -> None:
        if event.data.owner_id == "nobody":  # type: ignore[attr-defined]
            raise Refused("no_such_person", "Nobody has that name.", "$.owner_id")
        fold(desk, event)  # type: ignore[arg-type]

    service.command(OwnerChanged, service.handlers[OwnerChanged.TYPE].head)(decide)
    return service


@pytest_asyncio.fixture(loop_scope="session")
async def runtime(stack: Stack) -> AsyncIterator[Runtime]:
    await apply_topics({"bootstrap_servers": stack.kafka}, [TOPICS["rapport.customers"], TOPICS["rapport.lifecycle"]])
    runtime = await Runtime.open(
        refusing(), lab_settings(stack.kafka, stack.mongo, unique("r").lower().replace("-", ""))
    )
    name, client = runtime.db.name, runtime.client
    yield runtime
    await runtime.close()
    again = await Runtime.open(refusing(), runtime.settings)
    await again.client.drop_database(name)
    await again.close()
    assert client is not again.client


async def test_what_a_person_does_is_told_to_him_and_a_repeat_changes_nothing(runtime: Runtime) -> None:
    subject = unique()
    done = said(OwnerChanged(owner_id="staff/1", valid_from=NOW.date()), subject)
    assert (await runtime.command(done)).applied == 1
    assert (await runtime.command(done)).repeats == 1, "the same request again"
    with pytest.raises(Refused) as refusal:
        await runtime.command(said(OwnerChanged(owner_id="nobody", valid_from=NOW.date()), subject))
    assert (refusal.value.reason, refusal.value.field) == ("no_such_person", "$.owner_id")
    assert await runtime.db["dead"].count_documents({}) == 0, "who asked has been answered"
    head = await runtime.db["cards"].find_one({"_id": subject})
    assert head is not None and head["state"]["trail"] == [done.id]


async def test_a_clock_that_rests_on_what_is_not_read_is_refused_at_the_start(stack: Stack) -> None:
    service = lab_service()
    service.feeds = ("rapport.customers", "rapport.trade")
    with pytest.raises(ValueError, match=r"rapport\.trade.*stand for ever"):
        await Runtime.open(service, lab_settings(stack.kafka, stack.mongo, "never"))


class Failing:
    """A worker that fails after a while."""

    async def run(self) -> None:
        """Fail."""
        await asyncio.sleep(0)
        raise RuntimeError("the mailer is broken")

    async def stop(self) -> None:
        """Nothing to finish."""


async def test_a_part_that_fails_ends_the_process_with_its_error_and_the_others_stop_well(runtime: Runtime) -> None:
    subject = unique()
    await runtime.command(said(OwnerChanged(owner_id="staff/1", valid_from=NOW.date()), subject))
    probe = runtime.db.client
    with pytest.raises(RuntimeError, match="the mailer is broken"):
        await asyncio.wait_for(runtime.run(workers=[Failing()]), 40)
    other = await Runtime.open(refusing(), runtime.settings)
    assert await other.db["outbox"].count_documents({}) == 0, "what was said is sent before it ends"
    assert await other.db["workers"].count_documents({"_id": {"$ne": other.sessions.holder}}) == 0
    assert await other.db["leases"].count_documents({}) == 0
    await other.close()
    assert probe is not None
