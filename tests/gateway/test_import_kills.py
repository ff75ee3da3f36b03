"""An import goes on where it was, whatever kills the gateway: nothing is lost, and nothing has two ids."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from services.chassis import marks
from services.chassis.auth import Role
from services.chassis.mongo import connect
from services.chassis.tokens import LocalIssuer
from services.gateway.settings import GatewaySettings
from tests.gateway.gatekit import unique
from tests.gateway.importkit import lives, own_settings, serving
from tests.gateway.made_files import ENGLISH, csv_bytes, english_rows
from tests.kafka.house import heard
from tests.waiting import until

pytestmark = pytest.mark.stack
COUNT = 9_000


async def test_an_import_killed_at_every_stage_arrives_whole_under_the_same_ids(stack: Stack, tmp_path: Path) -> None:
    async with own_settings(stack, tmp_path) as settings:
        await _killed_and_whole(settings, stack, tmp_path)


async def _killed_and_whole(settings: GatewaySettings, stack: Stack, tmp_path: Path) -> None:
    customers = [unique() for _ in range(5)]
    rows = english_rows(customers, COUNT)
    bad = set(range(7, COUNT, 97))
    for n in bad:
        rows[n][5] = "?"
    token = LocalIssuer(settings).issue("op", [Role.OPERATOR])
    headers = {"Authorization": f"Bearer {token}"}
    log = tmp_path / "kills"
    address = f"http://127.0.0.1:{settings.http_port}"
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        path = ""
        for stage in (*marks.IMPORT_STAGES, ""):
            async with serving(settings, f"{stage}:2" if stage else "", log) as process:
                if not path:
                    await until(lambda: lives(client), "the gateway to be ready", deadline_s=60, every_s=0.1)
                    answer = await client.post(
                        "/imports/invoices", params={"source": "erp"}, content=csv_bytes(ENGLISH, rows)
                    )
                    assert answer.status_code == 202, answer.text
                    path = answer.headers["location"]
                if stage:
                    await until(lambda: process.returncode is not None, f"the kill {stage}", deadline_s=60)
                else:
                    await until(lambda: lives(client), "the gateway to be ready", deadline_s=60, every_s=0.1)
                    done = await ended(client, path, "done")
        async with serving(settings, f"{marks.IMPORT_AFTER_WORD}:2", log) as process:
            await until(lambda: lives(client), "the gateway to be ready", deadline_s=60, every_s=0.1)
            assert (await client.post(f"{path}/undo")).status_code == 202
            await until(lambda: process.returncode is not None, "the kill while it is undone", deadline_s=60)
        async with serving(settings):
            await until(lambda: lives(client), "the gateway to be ready", deadline_s=60, every_s=0.1)
            await ended(client, path, "undone")
    assert [line.split()[0] for line in (await asyncio.to_thread(log.read_text)).splitlines()] == [
        *marks.IMPORT_STAGES, marks.IMPORT_AFTER_WORD,
    ]  # fmt: skip
    good = COUNT - len(bad)
    assert done["counts"] == {"rows": COUNT, "accepted": good, "refused": len(bad), "passed_over": 0, "events": good}

    found: dict[str, set[bytes]] = {}
    records = 0
    for sent in (await heard(stack.kafka, "rapport.trade", customers)).values():
        for record in sent:
            records += 1
            found.setdefault(dict(record.headers)["ce_id"].decode(), set()).add(record.value or b"")
    import_id = path.rpartition("/")[2]
    told = {f"{import_id}-undo/{customer}" for customer in customers}
    assert told <= found.keys(), "each is told that it is undone"
    assert found.keys() - told == {f"{import_id}/{n + 2:07d}" for n in range(COUNT) if n not in bad}
    assert all(len(values) == 1 for values in found.values()), "a repeat says the same"
    assert records > good, "the kills landed where rows had been sent already"
    client_ = connect(stack.mongo)
    kept = await client_[settings.database]["import_refused"].count_documents({"i": import_id})
    client_.close()
    assert kept == len(bad)


async def ended(client: httpx.AsyncClient, path: str, state: str) -> dict[str, Any]:
    """The import, once it is in that state."""

    async def look() -> bool:
        return bool((await client.get(path)).json()["state"] == state)

    await until(look, f"the import to be {state}", deadline_s=60, every_s=0.1)
    done: dict[str, Any] = (await client.get(path)).json()
    return done
