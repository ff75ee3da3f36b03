"""Whose alerts somebody sees is a matter of who he is at the issuer, not of what he is called there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contracts.events.staff import StaffRegistered
from deploy.local.stack import Stack
from services.chassis.auth import Role
from tests.alerts.apikit import House, house

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(stack.mongo, tmp_path_factory.mktemp("home")) as made:
        yield made


async def seen_by(one: House, person: str, customer: str) -> list[str]:
    """What a manager of that name in his token is shown of a customer."""
    async with one.client(Role.MANAGER, person) as client:
        return [alert["customer"] for alert in (await client.get(f"/alerts?customer={customer}")).json()["items"]]


async def test_who_calls_himself_by_a_colleagues_number_sees_nothing_of_his(one: House) -> None:
    called = "9f2c"
    card = StaffRegistered(name="李示例", mail="li@company.example", language="en", token_subject=called)
    await one.tell(card, "staff/E900", "hr")
    customer, _ = await one.overdue(owner="staff/E900")
    assert await seen_by(one, called, customer) == [customer]
    assert await seen_by(one, "staff/E900", customer) == []
    own, _ = await one.overdue(owner="staff/E901")
    assert await seen_by(one, "staff/E901", own) == [own], "whose card names no other subject is who his token says"
