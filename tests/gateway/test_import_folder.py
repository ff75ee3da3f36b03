"""The watched folder: files that systems lay there are imported and put away, and whatever else lies there does no
harm. With real files; each test looks by itself.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway.imports.folder import GREW
from tests.gateway.folderkit import Drops
from tests.gateway.gatekit import House, unique
from tests.gateway.importkit import data_of, imported, send
from tests.gateway.made_files import CHINESE, ENGLISH, chinese_rows, csv_bytes, english_rows
from tests.waiting import until

pytestmark = pytest.mark.stack


@pytest.fixture
async def drops(gateway: House, tmp_path: Path) -> Drops:
    return await Drops.of(gateway, tmp_path / "drops")


def invoices(*customers: str, count: int = 3) -> bytes:
    return csv_bytes(ENGLISH, english_rows(customers or (unique(),), count))


async def test_a_file_laid_there_is_imported_and_put_away_with_a_report(gateway: House, drops: Drops) -> None:
    customer = unique()
    laid = drops.lay("应收.csv", csv_bytes(CHINESE, chinese_rows(customer, 3), "gbk"))
    whole = laid.read_bytes()
    await drops.gone(laid)
    [(path, report)] = drops.put_away("done", "应收.csv")
    assert path.read_bytes() == whole
    assert (report["outcome"], report["file"], report["source"]) == ("done", "应收.csv", drops.source)
    assert report["rows"] == {"rows": 3, "accepted": 3, "refused": 0, "passed_over": 0, "events": 3}
    assert path.name.startswith(report["import"])
    assert await gateway.ids(customer) == [f"{report['import']}/{line:07d}" for line in (2, 3, 4)]
    [one] = await drops.imports()
    assert (one["made_by"], one["filename"], one["dropped"]) == ("folder", "应收.csv", None)


async def test_a_file_that_two_processes_take_at_once_is_one_import_and_ends_neither(
    gateway: House, drops: Drops
) -> None:
    other = await Drops.of(gateway, drops.folder.top)
    laid = drops.lay("a.csv", invoices(count=20))
    await asyncio.gather(drops.folder.look(), other.folder.look())
    await drops.gone(laid)
    assert drops.put_away("done", "a.csv")[0][1]["rows"]["accepted"] == 20
    assert [one["state"] for one in await drops.imports()] == ["done"]


async def test_refused_rows_come_back_beside_it_and_corrected_are_laid_there_again(
    gateway: House, drops: Drops
) -> None:
    customer = unique()
    rows = english_rows([customer], 40)
    rows[7][5] = "12,5,0"
    laid = drops.lay("bad.csv", csv_bytes(ENGLISH, rows))
    await drops.gone(laid)
    assert drops.put_away("done", "bad.csv") == []
    [(path, report)] = drops.put_away("refused", "bad.csv")
    assert report["message"].startswith(
        "39 of 40 rows were taken; 1 refused: correct these in the file beside this one"
    )
    back = path.with_name(path.name + ".refused.csv").read_bytes()
    assert back.startswith(b"\xef\xbb\xbfinvoice,") and back.count(b"\r\n") == 2
    again = drops.lay("corrected.csv", back.replace(b'"12,5,0"', b"12.50"))
    await drops.gone(again)
    assert len(drops.put_away("done", "corrected.csv")) == 1
    assert len(await gateway.ids(customer)) == 40


async def test_the_same_file_is_the_import_that_it_was_whichever_way_it_comes(gateway: House, drops: Drops) -> None:
    customer = unique()
    content = invoices(customer)
    first, second = drops.lay("a.csv", content), drops.lay("b.csv", content)
    await drops.gone(first, second)
    await drops.gone(drops.lay("a.csv", content))
    assert len(await drops.imports()) == 1 and len(await gateway.ids(customer)) == 3
    assert len(drops.put_away("done", "a.csv")) == 1, "its second has another name"
    assert len(list((drops.at() / "done").glob("*-a*.csv"))) == 2 and len(drops.put_away("done", "b.csv")) == 1
    token = (await gateway.source(sources=[drops.source], takes=["rapport.trade"]))[1]
    assert (await send(gateway, "invoices", content, token=token, source=drops.source)).status_code == 202, (
        "of another owner it is another"
    )


async def test_what_cannot_be_read_as_a_whole_is_put_away_with_the_reason(drops: Drops) -> None:
    laid = [
        drops.lay("letter.csv", "亲爱的客户\n您好\n".encode()),
        drops.lay("empty.csv", b""),
        drops.lay("old.xls", b"\xd0\xcf\x11\xe0" + bytes(600)),
    ]
    await drops.gone(*laid)
    reasons = [drops.put_away("refused", path.name)[0][1] for path in laid]
    assert [one["reason"] for one in reasons] == ["bad_columns", "unknown_format", "unknown_format"]
    assert all("expected" in one["message"] and one["rows_taken"] == 0 for one in reasons)
    assert await drops.imports() == []


async def test_nobody_says_through_the_folder_what_he_may_not_say(gateway: House, drops: Drops) -> None:
    strange = drops.folder.top / unique("nobody") / "invoices" / "a.csv"
    strange.parent.mkdir(parents=True)
    strange.write_bytes(invoices())
    await gateway.source(name := unique("shop").lower(), sources=[f"{drops.source}/shop"], takes=["rapport.staff"])
    under = drops.at(under="shop") / "b.csv"
    under.write_bytes(invoices())
    await drops.gone(strange, under)
    report = next((strange.parent / "refused").glob("*.report.json")).read_text("utf-8")
    assert "source_not_granted" in report and "administrator" in report
    [one] = await drops.imports()
    assert one["source"] == f"{drops.source}/shop" and one["owner"] != name, "the source above it may say invoices"
    await gateway.runtime.db["sources"].update_one({"_id": drops.source}, {"$set": {"active": False}})
    await gateway.gate.registry.read()
    put_out = drops.lay("c.csv", invoices())
    await drops.gone(put_out)
    assert drops.put_away("refused", "c.csv")[0][1]["reason"] == "source_not_granted"


async def test_a_file_still_being_written_waits_until_it_is_renamed_or_rests(gateway: House, tmp_path: Path) -> None:
    drops = await Drops.of(gateway, tmp_path / "drops", settle=1)
    content, customer = b"", unique()
    content = invoices(customer, count=20)
    hidden = drops.lay("a.csv.part", content[:200])
    growing = drops.at() / "b.csv"
    with growing.open("wb") as file:
        for n in range(0, 15, 5):
            file.write(content[n * 10 : n * 10 + 50])
            file.flush()
            await drops.folder.look()
            assert await drops.imports() == [], "it has changed since the last look"
    growing.unlink()
    await drops.folder.look()
    hidden.write_bytes(content)
    await drops.folder.look()
    assert hidden.exists() and await drops.imports() == []
    whole = hidden.rename(drops.at() / "a.csv")
    await drops.gone(whole)
    assert drops.put_away("done", "a.csv")[0][1]["rows"]["accepted"] == 20


async def test_of_a_file_that_goes_on_growing_the_half_is_undone_and_the_whole_imported(
    gateway: House, drops: Drops
) -> None:
    customer = unique()
    content = invoices(customer, count=30)
    cut = content.index(b"\n", 400) + 1
    laid = drops.lay("a.csv", content[:cut])
    await drops.folder.look()
    [half] = await drops.imports()
    with laid.open("ab") as file:
        file.write(content[cut:])

    async def ended() -> bool:
        return bool((await drops.imports())[0]["state"] == "done")

    await until(ended, "the half to be imported")
    await drops.gone(laid)

    async def undone() -> bool:
        return bool((await drops.imports())[0]["state"] == "undone")

    await until(undone, "the half to be undone")
    first, second = await drops.imports()
    assert (first["_id"], first["undo_reason"]) == (half["_id"], GREW)
    assert second["counts"]["accepted"] == 30
    assert drops.put_away("done", "a.csv")[0][1]["import"] == second["_id"]
    assert f"{half['_id']}-undo/{customer}" in await gateway.ids(customer)


async def test_links_pipes_and_strange_names_lead_nowhere(drops: Drops, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "invoices").mkdir(parents=True)
    secret = outside / "invoices" / "secret.csv"
    secret.write_bytes(invoices())
    linked = drops.at() / "linked.csv"
    linked.symlink_to(secret)
    os.mkfifo(drops.at() / "pipe.csv")
    (drops.folder.top / drops.source / "elsewhere").symlink_to(outside)
    (drops.folder.top / "root").symlink_to("/")
    odd = [drops.lay(name, invoices()) for name in ("a..csv", "a\nb.csv", "-rf.csv", "a b;c.csv")]
    odd.append(drops.lay(os.fsdecode(b"\xff\xfe.csv"), invoices()))
    hidden = drops.lay("..csv", invoices())
    await drops.gone(linked, drops.at() / "pipe.csv", *odd)
    assert hidden.exists()
    assert [drops.put_away("refused", name)[0][1]["reason"] for name in ("linked.csv", "pipe.csv")] == ["no_file"] * 2
    assert drops.put_away("refused", "linked.csv")[0][0].is_symlink(), "the link itself was moved"
    assert sorted(path.name for path in outside.rglob("*")) == ["invoices", "secret.csv"]
    assert len(await drops.imports()) == len(odd)
    assert len(drops.put_away("done", "a?b.csv")) == len(drops.put_away("done", "??.csv")) == 1


async def test_a_tray_that_leads_out_of_the_folder_is_not_used(drops: Drops, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (drops.at() / "done").symlink_to(outside)
    laid = drops.lay("a.csv", invoices())

    async def ended() -> bool:
        await drops.folder.look()
        found = await drops.imports()
        return bool(found) and found[0]["state"] == "done" and drops.folder.metrics.folder_troubles._value.get() > 0

    await until(ended, "it to be imported")
    assert laid.exists() and list(outside.iterdir()) == []
    (drops.at() / "done").unlink()
    await drops.gone(laid)
    assert len(await drops.imports()) == 1


async def test_what_lies_elsewhere_stays_and_is_counted(drops: Drops) -> None:
    lost = drops.folder.top / "a.csv"
    lost.parent.mkdir(parents=True, exist_ok=True)
    lost.write_bytes(invoices())
    other = drops.folder.top / drops.source / "letters" / "b.csv"
    other.parent.mkdir(parents=True)
    other.write_bytes(invoices())
    await drops.folder.look()
    assert lost.exists() and other.exists() and drops.folder.metrics.folder_misplaced._value.get() == 2


async def test_a_folder_that_is_away_is_told_and_waited_for(drops: Drops) -> None:
    assert not drops.folder.top.exists()
    await drops.folder.look()
    assert drops.folder.metrics.folder_troubles._value.get() == 1
    await drops.gone(drops.lay("a.csv", invoices()))
    assert drops.folder.metrics.folder_troubles._value.get() == 0


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that others than root can reach."""
    path = Path(tempfile.mkdtemp(prefix="rapport-drops-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give rights up and take them back")
async def test_a_file_that_may_not_be_read_is_refused_and_where_nothing_may_be_written_it_waits(
    gateway: House, open_to_all: Path
) -> None:
    drops = await Drops.of(gateway, open_to_all / "drops")
    closed, shut = drops.lay("closed.csv", invoices()), drops.lay("b.csv", invoices(), "purchases")
    closed.chmod(0)
    for path in (drops.folder.top, drops.folder.top / drops.source, drops.at()):
        path.chmod(0o777)
    drops.at("purchases").chmod(0o555)
    os.seteuid(65_534)
    try:
        await drops.gone(closed)
        await drops.folder.look()
        assert drops.folder.metrics.folder_troubles._value.get() == 1
    finally:
        os.seteuid(0)
    assert drops.put_away("refused", "closed.csv")[0][1]["reason"] == "not_readable"
    assert shut.exists()
    await drops.gone(shut)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 128 KB."""
    if shutil.which("mount") is None:
        pytest.skip("no file system can be mounted here")
    path = Path(tempfile.mkdtemp(prefix="rapport-small-"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", path], capture_output=True, check=False)
    if done.returncode != 0:
        path.rmdir()
        pytest.skip("no file system can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)
        path.rmdir()


async def test_on_a_full_disk_nothing_is_lost_and_nothing_is_done_twice(gateway: House, small_disk: Path) -> None:
    drops = await Drops.of(gateway, small_disk)
    rows = english_rows([unique()], 600)
    for row in rows[::3]:
        row[5] = "?"
    laid = drops.lay("a.csv", csv_bytes(ENGLISH, rows))
    filling = small_disk / "full.part"
    with filling.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1024)):
                pass
        except OSError as full:
            assert full.strerror is not None

    async def stuck() -> bool:
        await drops.folder.look()
        found = await drops.imports()
        return bool(found) and found[0]["state"] == "done" and drops.folder.metrics.folder_troubles._value.get() > 0

    await until(stuck, "the import to end")
    assert laid.exists() and not list((drops.at() / "refused").glob("*")), "no half of a report stays"
    filling.unlink()
    await drops.gone(laid)
    [(path, report)] = drops.put_away("refused", "a.csv")
    assert report["rows"]["refused"] == 200
    assert path.with_name(path.name + ".refused.csv").read_bytes().count(b"\r\n") == 201
    assert len(await drops.imports()) == 1


async def test_a_mapping_and_a_currency_given_once_hold_for_the_files_of_every_night(
    gateway: House, drops: Drops
) -> None:
    heading = ("invoice", "customer", "issue_date", "due_date", "X1")
    rows = [[*row[:2], *row[3:]] for row in english_rows([unique()], 2)]
    early = drops.lay("early.csv", csv_bytes(heading, rows))
    await drops.gone(early)
    assert drops.put_away("refused", "early.csv")[0][1]["reason"] == "bad_columns"
    token = (await gateway.source(sources=[drops.source], takes=["rapport.trade"]))[1]
    given = {"mapping": {"amount": "X1"}, "currency": "USD", "token": token, "source": drops.source}
    await imported(gateway, "invoices", csv_bytes(heading, rows[:1]), **given)
    laid = drops.lay("tonight.csv", csv_bytes(heading, rows))
    await drops.gone(laid)
    [(_, report)] = drops.put_away("done", "tonight.csv")
    assert report["rows"]["accepted"] == 2
    customer = rows[0][1]
    assert [one["total"]["currency"] for one in await data_of(gateway, customer)] == ["USD"] * 3
    unsaid = await send(gateway, "invoices", csv_bytes(heading, rows), token=token, source=drops.source)
    assert unsaid.status_code == 422, "who can say it is asked"
