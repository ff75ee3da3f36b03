"""What the gateway's page says of cutting over, typed into a shell, against a gateway and alerts as they run."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pymongo import MongoClient

from deploy.local import services
from deploy.local.running import prepare
from deploy.local.stack import Stack
from services.chassis.auth import Role
from services.chassis.tokens import LocalIssuer
from tests.alerts.buskit import Bus, bus_on
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "services" / "gateway" / "README.md").read_text("utf-8")
(BLOCK,) = re.findall(r"<!-- run by tests/gateway/test_cutover_page\.py -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
DATABASE = "cutoverpage"
pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(shutil.which("curl") is None, reason="the page's example uses curl"),
]


@pytest_asyncio.fixture(loop_scope="session")
async def bus(stack: Stack) -> AsyncIterator[Bus]:
    async with bus_on(stack) as made:
        yield made


@pytest.fixture
async def environment(stack: Stack, bus: Bus) -> AsyncIterator[dict[str, str]]:
    """A gateway beside the alerts service, and tokens for both."""
    await asyncio.to_thread(prepare, stack)
    process = services.start_service(stack, "gateway", {"RAPPORT_MONGO_DATABASE_PREFIX": DATABASE}, instance="cutover")
    issuer = LocalIssuer(bus.settings)
    assert bus.running.runtime.http is not None
    try:
        await asyncio.to_thread(services.wait_ready, [process])
        yield {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GATEWAY": process.url,
            "ALERTS": bus.running.runtime.http.url,
            "RAPPORT_TOKEN": issuer.issue("op", [Role.OPERATOR]),
            "ANALYST": issuer.issue("staff/analyst", [Role.ANALYST]),
        }
    finally:
        services.stop([process], stack)
        MongoClient(stack.mongo).drop_database(f"{DATABASE}_gateway")


async def run(script: str, env: dict[str, str], folder: Path) -> str:
    done = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", script, cwd=folder, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await done.communicate()
    assert done.returncode == 0, f"{script}\n{out.decode()}\n{err.decode()}"
    return out.decode()


async def test_the_page_can_be_followed_and_what_it_says_is_so(
    environment: dict[str, str], bus: Bus, tmp_path: Path
) -> None:
    said = await run(BLOCK, environment, tmp_path)
    assert "2 of 2 rows accepted" in said and "1 of 1 rows accepted" in said
    day = (await run("date +%F", environment, tmp_path)).strip()

    async def reported() -> bool:
        report = await bus.get("/cutover", day=day, days=60)
        standing, coming = report["standing"], [one for one in report["coming"] if one["rule"] == "receivable_overdue"]
        return bool(standing and coming) and (
            (standing[0]["alerts"], standing[0]["suppressed"], standing[0]["amounts"][0]["amount"]) == (1, 1, "600.00")
            and (coming[0]["alerts"], coming[0]["amounts"][0]["amount"]) == (1, "250.00")
        )

    await until(reported, "600.00 to stand and 250.00 to come", deadline_s=30)
    assert json.JSONDecoder().raw_decode(said[said.index('{"day"') :])[0]["day"] == day
    await the_command_says_the_same(environment, bus, tmp_path, day)


async def the_command_says_the_same(env: dict[str, str], bus: Bus, folder: Path, day: str) -> None:
    command = f'rapport cutover --day {day} --days 60 --url "$ALERTS" --token "$ANALYST"'
    report = json.loads(await run(f"{command} --json", env, folder))
    assert report == await bus.get("/cutover", day=day, days=60)
    shown = await run(command, env | {"COLUMNS": "150"}, folder)
    assert re.search(r"receivable_overdue\W+nobody\W+1\W+1\W+600.00 CNY", shown), shown
    assert re.search(r"receivable_overdue\W+nobody\W+1\W+0\W+250.00 CNY", shown), shown
    await run(f"{command} --csv all.csv", env, folder)
    rows = list(csv.DictReader((folder / "all.csv").read_text("utf-8-sig").splitlines()))
    assert [(row["part"], row["about"], row["amount"]) for row in rows] == [
        ("stands", "OLD-1", "600.00"), ("coming", "OLD-2", "250.00")
    ]  # fmt: skip
