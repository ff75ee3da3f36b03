"""Two accounts become one customer and part again: said at the gateway, taken by profiles, told to alerts."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from services.alerts.store import ITEMS
from services.chassis import marks
from services.chassis.mongo import Doc, find
from tests.gateway.gatekit import unique
from tests.together.suitekit import PATIENCE_S, Suite
from tests.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


async def post(suite: Suite, kind: str, root: str, data: dict[str, Any]) -> None:
    """A system says by HTTP who is whose."""
    event = {
        "specversion": "1.0",
        "id": uuid.uuid4().hex,
        "source": "crm",
        "type": f"rapport.customer.{kind}.v1",
        "subject": root,
        "time": datetime.now(UTC).isoformat(),
        "data": data,
    }
    answer = await suite.gateway.post(event)
    assert answer.status_code < 300 and '"accepted"' in answer.text, answer.text


async def owed(suite: Suite, *accounts: str) -> list[set[str]]:
    """The open invoices that alerts keeps with each account."""
    rows = await find(suite.looks["alerts"].db, ITEMS.name, {"s": {"$in": list(accounts)}})
    return [{row["k"].partition("/")[2] for row in rows if row["s"] == account} for account in accounts]


async def alerts_of(suite: Suite, *accounts: str) -> dict[str, str]:
    rows: list[Doc] = await find(suite.looks["alerts"].db, "alerts", {"s": {"$in": list(accounts)}})
    return {row["k"]: row["s"] for row in rows}


async def two(suite: Suite) -> tuple[str, str]:
    """Two customers, each with an overdue invoice and an alert about it."""
    await suite.start("profiles")
    await suite.start("alerts")
    root, account = await suite.customer("Root"), await suite.customer("Branch")
    await suite.invoice(root, "R-1")
    await suite.invoice(account, "A-1")
    await suite.settled()

    async def raised() -> bool:
        return len(await alerts_of(suite, root, account)) == 2

    await until(raised, "an alert about each invoice", deadline_s=PATIENCE_S)
    return root, account


async def test_a_merge_and_a_link_gather_what_is_owed_and_their_end_parts_it_again(suite: Suite) -> None:
    root, account = await two(suite)
    local = unique("L")
    shop = f"shop:{local}"
    await suite.invoice(shop, "S-1", late=-20)
    await suite.settled()
    before, raised = await suite.known([root, account, shop]), await alerts_of(suite, root, account)
    await post(suite, "merged", root, {"merged_id": account})
    await post(suite, "linked", root, {"system": "shop", "local_id": local})
    await suite.settled()
    assert await owed(suite, root, account, shop) == [{"R-1", "A-1", "S-1"}, set(), set()]
    assert await alerts_of(suite, root, account) == dict.fromkeys(raised, root), "the same alerts, of one customer"
    await suite.invoice(account, "A-2", late=-20)
    await suite.settled()
    assert (await owed(suite, root))[0] == {"R-1", "A-1", "S-1", "A-2"}
    await post(suite, "unmerged", root, {"merged_id": account})
    await post(suite, "unmerged", root, {"merged_id": shop})
    await suite.settled()
    assert await owed(suite, root, account, shop) == [{"R-1"}, {"A-1", "A-2"}, {"S-1"}]
    assert await alerts_of(suite, root, account) == raised
    after = await suite.known([root, shop])
    assert after["alerts.items"] == [doc for doc in before["alerts.items"] if doc["s"] != account]


@pytest.mark.long
async def test_a_process_killed_in_the_transaction_that_ties_or_parts_leaves_what_no_kill_leaves(suite: Suite) -> None:
    root, account = await two(suite)
    apart = await suite.known([root, account])
    await post(suite, "merged", root, {"merged_id": account})
    await suite.settled()
    together = await suite.known([root, account])
    await post(suite, "unmerged", root, {"merged_id": account})
    await suite.settled()
    assert await suite.known([root, account]) == apart
    for kind, stage, wanted in (("merged", marks.IN_TIE, together), ("unmerged", marks.IN_PARTING, apart)):
        for service in ("profiles", "alerts"):
            await suite.stop(service)
        await post(suite, kind, root, {"merged_id": account})
        for service in ("profiles", "alerts"):
            await suite.start(service, kill_at=stage)
            await suite.dies(service, stage)
            await suite.start(service)
        await suite.settled()
        assert await suite.known([root, account]) == wanted, f"after a kill {stage}"
