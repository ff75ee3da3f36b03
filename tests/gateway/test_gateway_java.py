"""What the gateway's page about Java tells a reader to run, run: by HTTP, and straight to the broker."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from contracts.envelope import decode
from contracts.events.trade import InvoiceIssued
from deploy.local.fetch import kafka_jars
from deploy.local.report import Silent
from tests.gateway.pagekit import ROOT, blocks, run
from tests.kafka.house import heard

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def java() -> str:
    """A Java that runs a source file: a runtime alone, such as the stack's own, does not."""
    found = shutil.which("java")
    listed = [] if found is None else run([found, "--list-modules"], os.environ, ROOT).split()
    if found is None or not any(module.startswith("jdk.compiler") for module in listed):
        pytest.skip("needs a JDK on the PATH")
    return found


def written(folder: Path, name: str) -> str:
    """A program of the page as its file."""
    (source,) = [block for block in blocks("pages/java.md", "java") if block.startswith(f"// {name}")]
    (folder / name).write_text(source, encoding="utf-8")
    return name


def event(number: int, **more: object) -> str:
    """An event a line."""
    said = {
        "specversion": "1.0",
        "id": f"SH01-INV-{number}-1",
        "source": "erp/shanghai",
        "type": "rapport.invoice.issued.v1",
        "subject": "C100234",
        "time": "2026-11-02T09:00:00+08:00",
        "data": {
            "invoice_id": f"INV-{number}",
            "issued_on": "2026-11-02",
            "due_on": "2026-12-02",
            "total": {"amount": "1250.50", "currency": "CNY"},
        },
    }
    return json.dumps(said | more, ensure_ascii=False)


def test_the_program_that_sends_by_http_gets_a_verdict_for_each_event(
    java: str, environment: dict[str, str], tmp_path: Path
) -> None:
    lines = [event(n) for n in range(7_000, 8_200)] + [event(8_200, time="昨天")]
    (tmp_path / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = run([java, written(tmp_path, "Send.java"), "events.jsonl"], environment, tmp_path, timeout=120)
    first, second = map(json.loads, said.splitlines())
    assert (first["accepted"], second["accepted"], second["refused"]) == (1_000, 200, 1)
    (refused,) = [one for one in second["verdicts"] if one["verdict"] == "refused"]
    assert (refused["id"], refused["field"]) == ("SH01-INV-8200-1", "time")


def test_the_program_that_writes_to_the_broker_writes_what_readers_take(
    java: str, environment: dict[str, str], tmp_path: Path
) -> None:
    jars = f"{kafka_jars(Silent())}{os.sep}*"
    said = run([java, "-cp", jars, written(tmp_path, "Publish.java")], environment, tmp_path, timeout=120)
    assert said.startswith("rapport.trade ")
    records = asyncio.run(heard(environment["BOOTSTRAP"], "rapport.trade", ["C100234"]))["C100234"]
    [record] = [one for one in records if b"SH01-INV-80-1" in dict(one.headers).values()]
    made = decode(record.value, record.headers, record.key)
    assert isinstance(made.data, InvoiceIssued) and (made.subject, made.data.invoice_id) == ("C100234", "INV-80")
