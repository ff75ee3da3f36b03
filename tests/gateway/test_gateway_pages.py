"""What the gateway's page tells a reader to type, typed: in a shell and in Python, against a running process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from deploy.local import services
from deploy.local.running import prepare
from deploy.local.stack import Stack

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "services" / "gateway" / "README.md").read_text("utf-8")
RUN = re.compile(r"<!-- run by tests/gateway/test_gateway_pages\.py -->\n```(\w+)\n(.*?)```", re.DOTALL)
BLOCKS = RUN.findall(PAGE)
DATABASE = "gatewaypages"
pytestmark = pytest.mark.stack


def run(command: list[str], env: dict[str, str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def environment(stack: Stack) -> Iterator[dict[str, str]]:
    """A gateway, and a source with its token, made as an operator would."""
    prepare(stack)
    env = {"RAPPORT_MONGO_DATABASE_PREFIX": DATABASE, "RAPPORT_GATEWAY_SOURCES_SECONDS": "1"}
    process = services.start_service(stack, "gateway", env, instance="pages")
    rapport = [sys.executable, "-m", "services.cli", "gateway", "source"]
    told = {**os.environ, **env, "RAPPORT_MONGO_URI": stack.mongo, "GATEWAY": process.url}
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


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's examples use curl")
def test_the_page_can_be_followed_in_a_shell(environment: dict[str, str], tmp_path: Path) -> None:
    one, many = [block for language, block in BLOCKS if language == "sh"]
    assert '"accepted":1' in run(["bash", "-euo", "pipefail", "-c", one], environment, tmp_path)
    said = run(["bash", "-euo", "pipefail", "-c", many], environment, tmp_path)
    assert '"accepted":2,"refused":1' in said
    assert '"verdict":"refused","id":"SH01-INV-9-1"' in said.splitlines()[-1]


def test_the_page_can_be_followed_in_python(environment: dict[str, str], tmp_path: Path) -> None:
    (script,) = [block for language, block in BLOCKS if language == "python"]
    (tmp_path / "send.py").write_text(script, encoding="utf-8")
    said = run([sys.executable, "send.py"], environment, tmp_path)
    assert said.startswith("SH01-INV-11-1 time a moment with offset")
    assert "rapport.invoice.issued.v1" in said
