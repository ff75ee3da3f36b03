"""What the README tells a reader to type, typed: each marked block in its order, against `rapport run`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
RUN = re.compile(r"<!-- run by tests/e2e/test_readme_examples\.py -->\n```sh\n(.*?)```", re.DOTALL)
READY_S = 120.0
SOON_S = 30.0
pytestmark = pytest.mark.stack


def blocks(name: str) -> list[str]:
    # Of the reader's two terminals this is the second: its environment is the one the test gives.
    return [block.replace(". .venv/bin/activate\n", "") for block in RUN.findall((ROOT / name).read_text("utf-8"))]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`rapport run` on a data folder of its own, until the last test is over."""
    home = tmp_path_factory.mktemp("readme") / "home"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "RAPPORT_HOME": str(home), "PATH": path}
    for given in ("RAPPORT_KAFKA", "RAPPORT_MONGO"):
        env.pop(given, None)
    log = home.with_suffix(".log")
    with log.open("wb") as out:
        running = subprocess.Popen(["rapport", "run"], cwd=ROOT, env=env, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + READY_S
        while "Ctrl-C" not in log.read_text("utf-8"):
            assert running.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline, log.read_text("utf-8")
            time.sleep(0.1)
        yield env
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(60)
        subprocess.run(["rapport", "stack", "wipe", "--yes"], cwd=ROOT, env=env, check=True, capture_output=True)


def shell(script: str, env: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def soon(script: str, env: dict[str, str], folder: Path, *expected: str) -> str:
    """The script's output once it holds what is expected: what it shows is said to come a moment later."""
    deadline = time.monotonic() + SOON_S
    while True:
        said = shell(script, env, folder)
        if all(one in said for one in expected):
            return said
        assert time.monotonic() < deadline, f"{script}\nshows no {expected}:\n{said}"
        time.sleep(0.2)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's examples use curl")
def test_the_readme_can_be_followed_from_the_first_event_to_the_payment(
    environment: dict[str, str], tmp_path: Path
) -> None:
    publish, look, acknowledge, pay, age = blocks("README.md")
    assert "3 events are with the broker" in shell(publish, environment, tmp_path)
    seen = soon(look, environment, tmp_path, '"invoice":"INV-1"', '"name":"Example Trading Ltd"')
    assert '"state":"standing"' not in seen
    assert '"acknowledged"' in shell(f"{look}\n{acknowledge}", environment, tmp_path)
    head, *tail = pay.rstrip("\n").rsplit("\n", 1)
    shell(head, environment, tmp_path)
    prepared = look.split("curl", 1)[0]
    resolved = soon(f"{prepared}\n{tail[0]}", environment, tmp_path, '"state":"resolved"')
    assert '"outcome":"paid"' in resolved
    assert '"1000.00"' in shell(age, environment, tmp_path)


def test_both_languages_show_the_same_commands() -> None:
    assert blocks("README.md") == blocks("README.zh-CN.md")
