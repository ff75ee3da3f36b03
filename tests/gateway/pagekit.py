"""What the gateway's pages tell a reader to type, taken out of them to be typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pymongo import MongoClient

from deploy.local import services
from deploy.local.running import prepare
from deploy.local.stack import Stack

ROOT = Path(__file__).parent.parent.parent
ROOM = ROOT / "services" / "gateway"
DATABASE = "gatewaypages"


def blocks(page: str, language: str, by: str = "") -> list[str]:
    """The blocks of a page in a language that it says are run by a test (the file's name; any: by whatever test)."""
    text = (ROOM / page).read_text("utf-8")
    found = re.findall(r"<!-- run by (tests/gateway/\w+\.py) -->\n```(\w+)\n(.*?)```", text, re.DOTALL)
    assert found and all((ROOT / test).is_file() for test, _, _ in found), f"{page} names tests that are there"
    return [block for test, own, block in found if own == language and test.endswith(by)]


def run(command: list[str], env: Mapping[str, str], folder: Path, timeout: float = 60) -> str:
    """What a command prints; it must end well."""
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def running(stack: Stack, drops: Path) -> Iterator[dict[str, str]]:
    """A gateway that watches a folder, and a source with its token, made as an operator would; the environment in which
    the pages are followed.
    """
    prepare(stack)
    env = {
        "RAPPORT_MONGO_DATABASE_PREFIX": DATABASE,
        "RAPPORT_GATEWAY_SOURCES_SECONDS": "1",
        "RAPPORT_GATEWAY_FOLDER": str(drops),
        "RAPPORT_GATEWAY_FOLDER_SECONDS": "1",
        "RAPPORT_GATEWAY_FOLDER_SETTLE_SECONDS": "1",
    }
    process = services.start_service(stack, "gateway", env, instance="pages")
    rapport = [sys.executable, "-m", "services.cli", "gateway", "source"]
    own = {"RAPPORT_MONGO_URI": stack.mongo, "GATEWAY": process.url, "BOOTSTRAP": stack.kafka, "DROPS": str(drops)}
    told = {**os.environ, **env, **own}
    try:
        services.wait_ready([process])
        grant = ["add", "erp-shanghai", "--source", "erp/shanghai", "--takes", "rapport.trade"]
        token = run([*rapport, *grant], told, ROOT).strip()
        yield {**told, "TOKEN": token}
        other = run([*rapport, "token", "erp-shanghai"], told, ROOT).strip()
        assert other.startswith("rgw_") and other != token
        assert "revoked" in run([*rapport, "revoke", "erp-shanghai", token.split("_")[1]], told, ROOT)
        assert "erp-shanghai" in run([*rapport, "list"], told | {"COLUMNS": "200"}, ROOT)
    finally:
        services.stop([process], stack)
        MongoClient(stack.mongo).drop_database(f"{DATABASE}_gateway")
