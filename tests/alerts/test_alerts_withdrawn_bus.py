"""A withdrawal through the running service: from the bus to the alert that falls away, with nobody's help."""

from __future__ import annotations

import pytest

from contracts.envelope import Event
from contracts.events.alerts import AlertResolved
from contracts.events.trade import TradeWithdrawn
from deploy.local.stack import Stack
from tests.alerts.buskit import Bus, bus_on, unique
from tests.waiting import until

pytestmark = pytest.mark.stack


def row(bus: Bus, customer: str, under: str, number: str, late: int) -> Event:
    """A row of an import."""
    said = bus.event(bus.invoice(number, late=late), customer)
    return Event(
        id=f"{under}{number}", source=said.source, type=said.type, subject=customer, time=said.time, data=said.data
    )


async def test_the_running_service_folds_the_customer_again_and_says_what_falls_away(stack: Stack) -> None:
    async with bus_on(stack) as bus:
        customer, under = await bus.customer(), f"{unique('import')}/"
        await bus.tell(bus.invoice("OWN", late=2), customer)
        await bus.send(row(bus, customer, under, "ROW-1", 9), row(bus, customer, under, "ROW-2", 20))

        async def standing() -> int:
            return len((await bus.get("/alerts", customer=customer))["items"])

        async def only_its_own() -> bool:
            return await standing() == 1

        async def all_three() -> bool:
            return await standing() == 3

        await until(all_three, "the alerts of the rows")
        await bus.tell(TradeWithdrawn(under=under), customer)
        await until(only_its_own, "the alerts to fall away")
        await bus.quiet()
        told = [fact for fact in await bus.said(customer) if isinstance(fact, AlertResolved)]
        assert len(told) == 2
        db = bus.running.runtime.db
        assert await db["ledger"].count_documents({"s": customer, "w": True}) == 0
        assert await db["ledger"].count_documents({"s": customer, "_id": {"$regex": "ROW"}}) == 2, "what was said stays"
