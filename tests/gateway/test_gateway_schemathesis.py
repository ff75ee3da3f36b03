"""Whatever is sent to the gateway, what its OpenAPI document says is what comes back, and never a server error."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from deploy.local import services
from deploy.local.running import prepare
from deploy.local.stack import Stack
from services.chassis.auth import Role
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer

DATABASE = "gatewayschema"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
pytestmark = [pytest.mark.stack, pytest.mark.long]


@pytest.fixture(scope="module")
def process(stack: Stack) -> Iterator[services.Running]:
    prepare(stack)
    env = {"RAPPORT_MONGO_DATABASE_PREFIX": DATABASE, "RAPPORT_LOG_LEVEL": "error"}
    running = services.start_service(stack, "gateway", env, instance="schema")
    try:
        services.wait_ready([running])
        yield running
    finally:
        services.stop([running], stack)
        MongoClient(stack.mongo).drop_database(f"{DATABASE}_gateway")


@pytest.mark.parametrize("roles", [[Role.SYSTEM, Role.ADMIN], [Role.ANALYST]], ids=["may", "may-not"])
def test_no_answer_is_undocumented_and_none_is_a_server_error(
    roles: list[Role], process: services.Running, stack: Stack, tmp_path: Path
) -> None:
    token = LocalIssuer(Settings(home=stack.home)).issue("schemathesis", roles)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{process.url}/openapi.json"),
        *("-H", f"Authorization: Bearer {token}", "--checks", CHECKS, "--max-examples", "40", "--seed", "7"),
        *("--phases", "examples,coverage,fuzzing", "--no-color"),
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, timeout=900,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    asked = urllib.request.Request(f"{process.url}/openapi.json", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - our own process
        operations = sum(len(path) for path in json.load(answer)["paths"].values())
    found = re.search(r"Tested: (\d+)", done.stdout)
    assert found is not None and int(found[1]) == operations, done.stdout[-3000:]  # none was left out for lack of data
