"""`rapport import`: from a file on a disk to the broker, through the door of a gateway that runs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx
import pytest

from deploy.local.stack import Stack
from services.chassis.auth import Role
from services.chassis.tokens import LocalIssuer
from tests.gateway.gatekit import unique
from tests.gateway.importkit import ROOT, lives, own_settings, serving
from tests.gateway.made_files import CHINESE, ENGLISH, chinese_rows, csv_bytes, english_rows
from tests.kafka.house import heard
from tests.waiting import until

pytestmark = pytest.mark.stack
NONE = "nonsense"


async def rapport(*words: str, token: str) -> tuple[int, str, str]:
    """The command as a person runs it: its exit code, and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "import", *words),
        env=dict(os.environ) | {"RAPPORT_TOKEN": token, "COLUMNS": "200"},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_file_is_previewed_imported_corrected_and_imported_again(stack: Stack, tmp_path: Path) -> None:
    customer = unique()
    rows = chinese_rows(customer, 30)
    rows[4][6] = "待定"
    file = tmp_path / "应收.csv"
    await asyncio.to_thread(file.write_bytes, csv_bytes(CHINESE, rows, "gbk"))
    async with own_settings(stack, tmp_path) as settings, serving(settings):
        url = f"http://127.0.0.1:{settings.http_port}"
        token = LocalIssuer(settings).issue("op", [Role.OPERATOR])
        async with httpx.AsyncClient(base_url=url) as client:
            await until(lambda: lives(client), "the gateway to be ready", deadline_s=60, every_s=0.1)
        told = ["--source", "erp/shanghai", "--url", url]

        code, out, _ = await rapport("invoices", str(file), *told, "--preview", token=token)
        assert code == 0 and "gb18030" in out and "价税合计" in out and "line 6, 价税合计" in out
        assert "Nothing was sent." in out and customer in out

        code, out, err = await rapport("invoices", str(file), *told, token=token)
        assert code == 1 and "29 of 30 rows accepted" in out
        refused = tmp_path / "应收.refused.csv"
        assert str(refused) in err
        content = (await asyncio.to_thread(refused.read_bytes)).decode("utf-8-sig")
        assert content.count("FP00005") == 1
        corrected = content.replace("待定", "8.80", 1)
        await asyncio.to_thread(refused.write_text, corrected, encoding="utf-8-sig")
        code, out, _ = await rapport("invoices", str(refused), *told, token=token)
        assert code == 0 and "1 of 1 rows accepted" in out

        code, _, err = await rapport("bills", str(file), *told, token=token)
        assert code == 2 and "there are customers, invoices, settlements, purchases, balances" in err
        code, _, err = await rapport("invoices", str(file), *told, token=NONE)
        assert code == 2 and "sign in again" in err
        other = tmp_path / "b.csv"
        await asyncio.to_thread(other.write_bytes, csv_bytes(ENGLISH[1:], [row[1:] for row in english_rows(["C"], 3)]))
        code, _, err = await rapport("invoices", str(other), *told, token=token)
        assert code == 2 and "invoice is missing" in err and "422" in err
    sent = (await heard(stack.kafka, "rapport.trade", [customer]))[customer]
    assert {json.loads(record.value or b"")["invoice_id"] for record in sent} == {f"FP{n:05d}" for n in range(1, 31)}


async def test_without_a_gateway_it_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    await asyncio.to_thread(file.write_text, "invoice\n")
    code, _, err = await rapport("invoices", str(file), "--source", "erp", "--url", "http://127.0.0.1:9", token=NONE)
    assert code == 2 and "is it running?" in err
    code, _, err = await rapport("invoices", str(file), "--source", "erp", "--url", "gateway:8080", token=NONE)
    assert code == 2 and "expected the address of gateway" in err
