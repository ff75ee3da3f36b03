"""What the gateway's pages tell a reader to type, typed: in a shell and in Python, against a running process."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.gateway.pagekit import blocks, run

pytestmark = pytest.mark.stack
SHELL = ["bash", "-euo", "pipefail", "-c"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's examples use curl")
def test_the_page_can_be_followed_in_a_shell(environment: dict[str, str], tmp_path: Path) -> None:
    one, many = blocks("README.md", "sh", by="test_gateway_pages.py")
    assert '"accepted":1' in run([*SHELL, one], environment, tmp_path)
    said = run([*SHELL, many], environment, tmp_path)
    assert '"accepted":2,"refused":1' in said
    assert '"verdict":"refused","id":"SH01-INV-9-1"' in said.splitlines()[-1]


def test_the_page_can_be_followed_in_python(environment: dict[str, str], tmp_path: Path) -> None:
    (script,) = blocks("README.md", "python")
    (tmp_path / "send.py").write_text(script, encoding="utf-8")
    said = run([sys.executable, "send.py"], environment, tmp_path)
    assert said.startswith("SH01-INV-11-1 time a moment with offset")
    assert "rapport.invoice.issued.v1" in said


def test_the_page_of_a_nightly_file_can_be_followed(environment: dict[str, str], tmp_path: Path) -> None:
    lay, look = blocks("pages/nightly.md", "sh")
    run([*SHELL, lay], environment, tmp_path)
    said = run([*SHELL, look], environment, tmp_path)
    report, last = said[: said.rindex("}") + 1], said[said.rindex("}") + 1 :]
    told = json.loads(report)
    assert (told["outcome"], told["rows"]["accepted"], told["rows"]["refused"]) == ("refused", 2, 1)
    assert "FP-72" in last and "someday" in last
