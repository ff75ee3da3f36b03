"""Two accounts become one customer while facts arrive: on a real broker, with a second process writing, and mails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from contracts.events.lifecycle import ProfileMerged, ProfileUnmerged
from deploy.local.mailbox import process as mailboxes
from deploy.local.stack import Stack
from tests.alerts.buskit import Bus, bus_on, serve
from tests.waiting import until

pytestmark = pytest.mark.stack
PROFILES = "rapport/profiles"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bus]:
    mailbox = mailboxes.start(tmp_path_factory.mktemp("mails"))
    try:
        async with bus_on(stack, mailbox=mailbox) as bus:
            yield bus
    finally:
        mailbox.stop()


async def standing(bus: Bus, customer: str) -> dict[str, Any]:
    """The standing alerts by invoice."""
    return {one["invoice"]: one for one in (await bus.get("/alerts", customer=customer))["items"]}


async def receivables(bus: Bus, customer: str) -> set[str]:
    shown = await bus.get(f"/customers/{customer}/receivables")
    return {item["invoice"] for item in shown["open_items"]}


async def test_a_merge_in_mid_stream_loses_nothing_and_mails_nobody_twice(bus: Bus) -> None:
    (wang, his), (zhao, hers) = await bus.colleague(), await bus.colleague()
    root, account = await bus.customer(wang, "根"), await bus.customer(zhao, "枝")
    second = await serve(bus.settings, mails=False)
    try:
        await bus.send(bus.event(bus.invoice("INV-R", late=3), root), bus.event(bus.invoice("INV-A", late=4), account))

        async def both_mailed() -> bool:
            return len(await bus.mails(his)) == 1 and len(await bus.mails(hers)) == 1

        await until(both_mailed, "a mail for each invoice")
        ids = {one: alert["id"] for who in (root, account) for one, alert in (await standing(bus, who)).items()}
        facts = [bus.event(bus.invoice(f"R-{n}", late=-30), root) for n in range(40)]
        more = [bus.event(bus.invoice(f"A-{n}", late=-30), account) for n in range(40)]
        merge = bus.event(ProfileMerged(merged_id=account, revision=2), root, PROFILES)
        await bus.send(*facts[:20], *more[:20], merge, *more[20:], *facts[20:])
        wanted = {"INV-R", "INV-A", *(f"{who}-{n}" for who in "RA" for n in range(40))}

        async def gathered() -> bool:
            bus.check()
            return await receivables(bus, root) == wanted

        await until(gathered, "both accounts' invoices with one customer")
        assert {one: alert["id"] for one, alert in (await standing(bus, account)).items()} == ids
        assert {alert["owner_id"] for alert in (await standing(bus, root)).values()} == {wang}
        await bus.send(bus.event(bus.invoice("INV-B", late=2), account))

        async def told() -> bool:
            return len(await bus.mails(his)) == 2

        await until(told, "the mail about the merged account's new invoice, to the root's owner")
        assert len(await bus.mails(hers)) == 1

        await bus.send(bus.event(ProfileUnmerged(merged_id=account, revision=3), root, PROFILES))

        async def parted() -> bool:
            mine, its = await receivables(bus, root), await receivables(bus, account)
            return mine == {one for one in wanted if "R" in one} and its == wanted - mine | {"INV-B"}

        await until(parted, "each account with its own invoices again")
        assert (await standing(bus, account))["INV-A"]["owner_id"] == zhao
        assert (await standing(bus, root))["INV-R"]["id"] == ids["INV-R"]
        assert (len(await bus.mails(his)), len(await bus.mails(hers))) == (2, 1), "nobody was told twice"
        assert await bus.letters([root, account]) == []
    finally:
        await second.stop()
