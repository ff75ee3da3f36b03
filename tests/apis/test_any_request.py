"""Whatever is sent to any service, what its OpenAPI document says is what comes back, and never a server error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.chassis.auth import Role
from services.operate import SERVICES
from tests.apis.filled import ALL, Suite

pytestmark = pytest.mark.stack
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
NAMES = sorted(SERVICES)
SETS: dict[str, tuple[Role, ...]] = {
    "all": ALL,
    "manager": (Role.MANAGER,),
    "analyst": (Role.ANALYST,),
    "operator": (Role.OPERATOR,),
    "system": (Role.SYSTEM,),
    "nobody": (),
}


def ask(suite: Suite, name: str, roles: tuple[Role, ...], folder: Path, *more: str) -> None:
    """Let schemathesis ask a service, and see that it has left no operation out."""
    (folder / "schemathesis.toml").write_text(suite.config(name), encoding="utf-8")
    document = folder / "openapi.json"  # who has no token may not read it
    with suite.client(name, *ALL) as client:
        document.write_bytes(client.get("/openapi.json").content)
    token = ["-H", f"Authorization: Bearer {suite.token(*roles)}"] if roles else []
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", suite.running[name].url, *token),
        *("--checks", CHECKS, "--seed", "7", "--no-color", *more),
    ]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, timeout=1500,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    found = re.search(r"Tested: (\d+)", done.stdout)
    operations = sum(len(path) for path in suite.document(name)["paths"].values())
    assert found is not None and int(found[1]) == operations, done.stdout[-3000:]  # none was left out for lack of data


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_no_answer_is_undocumented_and_none_is_a_server_error(name: str, suite: Suite, tmp_path: Path) -> None:
    ask(suite, name, ALL, tmp_path, "--phases", "examples,fuzzing", "--max-examples", "8")


@pytest.mark.long
@pytest.mark.parametrize("roles", SETS.values(), ids=list(SETS))
@pytest.mark.parametrize("name", NAMES)
def test_no_answer_to_anybody_is_undocumented_and_none_is_a_server_error(
    name: str, roles: tuple[Role, ...], suite: Suite, tmp_path: Path
) -> None:
    ask(suite, name, roles, tmp_path, "--phases", "examples,coverage,fuzzing", "--max-examples", "60")
