"""Processes that share a watched folder die in it: each file is one import, and lies in one place, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from deploy.local import ports
from deploy.local.stack import Stack
from services.chassis import marks
from services.chassis.auth import Role
from services.chassis.mongo import connect, database, find, from_doc
from services.chassis.tokens import LocalIssuer
from services.gateway.imports.store import Import
from services.gateway.settings import GatewaySettings
from tests.gateway.gatekit import unique
from tests.gateway.importkit import lives, own_settings, serving
from tests.gateway.made_files import ENGLISH, csv_bytes, english_rows
from tests.kafka.house import heard
from tests.waiting import until

pytestmark = pytest.mark.stack
FILES = 40


@asynccontextmanager
async def watched(stack: Stack, home: Path) -> AsyncIterator[tuple[GatewaySettings, Path]]:
    """Settings of gateways that watch a folder, and in it the place of a source's invoices."""
    async with own_settings(stack, home) as settings:
        top = home / "drops"
        place = top / "erp" / "invoices"
        place.mkdir(parents=True)
        watching = {"gateway_folder": top, "gateway_folder_seconds": 1, "gateway_folder_settle_seconds": 0}
        yield settings.model_copy(update=watching), place


async def register(settings: GatewaySettings) -> None:
    """A source for the folder; once a gateway answers."""
    headers = {"Authorization": f"Bearer {LocalIssuer(settings).issue('boss', [Role.ADMIN])}"}
    address = f"http://127.0.0.1:{settings.http_port}"
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        await until(lambda: lives(client), "the gateway to be ready", deadline_s=60, every_s=0.1)
        wanted = {"name": "erp", "sources": ["erp"], "takes": ["rapport.trade"]}
        assert (await client.post("/sources", json=wanted)).status_code == 201


async def imports(settings: GatewaySettings) -> list[Import]:
    """All of them."""
    client = connect(settings.mongo_uri.get_secret_value())
    try:
        docs = await find(database(client, settings.database), "imports", {}, sort=[("_id", 1)])
        return [from_doc(doc, Import) for doc in docs]
    finally:
        client.close()


async def test_a_file_is_one_import_and_put_away_once_whoever_is_killed_in_it(stack: Stack, tmp_path: Path) -> None:
    customer, log = unique(), tmp_path / "kills"
    async with watched(stack, tmp_path) as (settings, place):
        async with serving(settings):
            await register(settings)
        laid = place / "a.csv"
        laid.write_bytes(csv_bytes(ENGLISH, english_rows([customer], 5)))
        for stage in marks.FOLDER_STAGES:
            async with serving(settings, f"{stage}:1", log) as process:
                await asyncio.wait_for(process.wait(), 60)
        async with serving(settings):

            async def settled() -> bool:
                found = await imports(settings)
                return not laid.exists() and [one.dropped for one in found] == [None]

            await until(settled, "the import to know that its file is put away", deadline_s=60)
        [one] = await imports(settings)
        assert [line.split()[0] for line in log.read_text().splitlines()] == list(marks.FOLDER_STAGES)
        assert sorted(path.name for path in (place / "done").iterdir()) == [
            f"{one.id}-a.csv", f"{one.id}-a.csv.report.json",
        ]  # fmt: skip
        assert not (place / "refused").exists()
        records = (await heard(stack.kafka, "rapport.trade", [customer]))[customer]
        ids = {dict(record.headers)["ce_id"] for record in records}
        assert ids == {f"{one.id}/{line:07d}".encode() for line in range(2, 7)}


async def test_processes_that_share_a_folder_take_each_file_once_and_one_goes_on_when_the_other_dies(
    stack: Stack, tmp_path: Path
) -> None:
    customers = [unique() for _ in range(FILES)]
    async with watched(stack, tmp_path) as (settings, place):
        other = settings.model_copy(update={"http_port": ports.choose(), "kafka_group_instance_id": "gateway-2"})
        async with serving(settings) as first, serving(other):
            await register(settings)
            for customer in customers:
                hidden = place / f".{customer}.csv"
                hidden.write_bytes(csv_bytes(ENGLISH, english_rows([customer], 20)))
                hidden.rename(place / f"{customer}.csv")

            def left() -> int:
                return len(list(place.glob("*.csv")))

            await until(lambda: left() < FILES, "one to be put away", deadline_s=60)
            first.kill()
            await until(lambda: left() == 0, "all to be put away", deadline_s=120)
        found = await imports(settings)
        assert len(found) == FILES and {one.state for one in found} == {"done"}
        assert len(list((place / "done").glob("*.csv"))) == FILES
        records = await heard(stack.kafka, "rapport.trade", customers)
        for customer in customers:
            assert len({dict(record.headers)["ce_id"] for record in records[customer]}) == 20
