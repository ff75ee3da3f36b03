"""POST /imports/{kind}: a file goes in as it is, its rows come out as events, and what is wrong can be corrected."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.gateway.gatekit import House, unique
from tests.gateway.importkit import SOURCE, ask, data_of, ended, imported, send
from tests.gateway.made_files import CHINESE, ENGLISH, chinese_rows, csv_bytes, english_rows, titled_workbook
from tests.waiting import until

pytestmark = pytest.mark.stack


async def test_an_export_in_gbk_with_chinese_headings_arrives(gateway: House) -> None:
    customer = unique()
    done = await imported(
        gateway, "invoices", csv_bytes(CHINESE, chinese_rows(customer, 250), "gbk"), filename="应收.csv"
    )
    assert (done["state"], done["percent"], done["filename"]) == ("done", 100, "应收.csv")
    assert done["counts"] == {"rows": 250, "accepted": 250, "refused": 0, "passed_over": 0, "events": 250}
    assert (done["format"]["encoding"], done["format"]["ignored"]) == ("gb18030", ["客户名称"])
    said = await data_of(gateway, customer)
    assert said[6] == {
        "invoice_id": "FP00007",
        "issued_on": "2026-01-05",
        "due_on": "2026-02-04",
        "total": {"amount": "1007.50", "currency": "CNY"},
        "@id": f"{done['id']}/0000008",
        "@type": "rapport.invoice.issued.v1",
    }
    assert len(said) == 250


async def test_of_a_file_with_three_bad_rows_in_a_hundred_exactly_those_are_refused(gateway: House) -> None:
    customers = [unique() for _ in range(3)]
    rows = english_rows(customers, 1000)
    spoilt = {
        n: (place, text)
        for at, n in enumerate(range(20, 1000, 33))
        for place, text in [
            [(5, "n/a"), (4, "31/12/2026"), (2, "XXX"), (1, ""), (5, "-1.00"), (1, "13812345678")][at % 6]
        ]
    }
    for n, (place, text) in spoilt.items():
        rows[n][place] = text
    assert len(spoilt) == 30
    done = await imported(gateway, "invoices", csv_bytes(ENGLISH, rows))
    assert done["counts"] == {"rows": 1000, "accepted": 970, "refused": 30, "passed_over": 0, "events": 970}
    arrived = {one["invoice_id"] for customer in customers for one in await data_of(gateway, customer)}
    assert arrived == {f"INV-{n + 1}" for n in range(1000) if n not in spoilt}

    first = (await ask(gateway, done["refused_rows"], limit=20)).json()
    rest = (await ask(gateway, done["refused_rows"], limit=20, cursor=first["next"])).json()
    told = first["items"] + rest["items"]
    shown = (await ask(gateway, f"/imports/{done['id']}", limit=20)).json()
    assert shown["refused"] == first["items"], "beside the import itself, too"
    more = (await ask(gateway, f"/imports/{done['id']}", limit=20, cursor=shown["next"])).json()
    assert (more["refused"], more["next"]) == (rest["items"], None)
    assert rest["next"] is None
    assert [one["line"] for one in told] == sorted(n + 2 for n in spoilt)
    assert [(one["reason"], one["column"]) for one in told[:6]] == [
        ("bad_cell", "amount"), ("bad_cell", "due_date"), ("bad_cell", "currency"),
        ("cell_missing", "customer"), ("bad_money", "amount"), ("personal_id", "customer"),
    ]  # fmt: skip
    assert all("expected" in one["message"] for one in told)


async def test_refused_rows_come_as_a_file_that_is_corrected_and_sent_again(gateway: House) -> None:
    customer = unique()
    rows = english_rows([customer], 4)
    rows[1][5], rows[2][0], rows[2][4] = "-2.25", "=cmd|' /C calc'!A0", "@soon"
    done = await imported(gateway, "invoices", csv_bytes(ENGLISH, rows))
    answer = await ask(gateway, f"{done['refused_rows']}.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    text = answer.content.decode("utf-8-sig")
    heading, one, two = list(csv.reader(io.StringIO(text, newline="")))
    assert heading == [*ENGLISH, "refused line", "refused column", "refused because"]
    assert (one[5], one[6:8]) == ("'-2.25", ["3", "amount"]) and "below zero" in one[8]
    assert (two[0], two[4]) == ("'=cmd|' /C calc'!A0", "'@soon")

    corrected = answer.content.replace(b"'-2.25", b"2.25").replace(b"'@soon", b"2026-02-04")
    again = await imported(gateway, "invoices", corrected)
    assert again["counts"]["accepted"] == 2
    assert again["format"]["ignored"] == ["refused line", "refused column", "refused because"]
    assert {said["invoice_id"] for said in await data_of(gateway, customer)} == {
        "INV-1", "INV-2", "=cmd|' /C calc'!A0", "INV-4",
    }  # fmt: skip


async def test_a_workbook_with_merged_titles_and_dates_arrives(gateway: House) -> None:
    customer = unique()
    done = await imported(gateway, "invoices", titled_workbook(customer, 300))
    assert done["counts"] == {"rows": 301, "accepted": 300, "refused": 0, "passed_over": 1, "events": 300}
    said = await data_of(gateway, customer)
    assert (said[0]["total"], said[0]["due_on"]) == ({"amount": "1000.1", "currency": "CNY"}, "2026-02-04")
    assert said[299]["total"]["amount"] == "1030"


async def test_settlements_purchases_and_customers_become_what_they_are(gateway: House) -> None:
    customer = unique()
    settlements = csv_bytes(
        ("单据编号", "单据类型", "客户", "币别", "日期", "金额", "核销发票", "汇率"),
        [
            ["P1", "收款", customer, "美元", "5.1.2026", "1.100,50", "I1:1.000,50;I2:100,00", ""],
            ["P2", "坏账", customer, "USD", "5.1.2026", "7,50", "I3", ""],
            ["P3", "贷项", customer, "USD", "5.1.2026", "8,50", "", ""],
            ["P4", "收款", customer, "USD", "5.1.2026", "9,50", "I1;I2", ""],
            ["P5", "收款", customer, "USD", "5.1.2026", "1,00", "I1:2,00", ""],
            ["P6", "收款", customer, "JPY", "5.1.2026", "2,00", "I1:2,000", "7,1234"],
        ],
        delimiter=";",
    )
    done = await imported(gateway, "settlements", settlements)
    assert done["format"]["decimal"] == "comma"
    told = (await ask(gateway, done["refused_rows"])).json()["items"]
    assert [(one["line"], one["reason"]) for one in told] == [(5, "bad_cell"), (6, "over_applied")]
    paid, written, credit, foreign = await data_of(gateway, customer)
    assert paid["applied_to"] == [{"invoice_id": "I1", "amount": "1000.50"}, {"invoice_id": "I2", "amount": "100.00"}]
    assert (paid["total"]["amount"], written["applied_to"][0]["amount"]) == ("1100.50", "7.50")
    assert "applied_to" not in credit and foreign["applied_to"] == [
        {"invoice_id": "I1", "amount": "2", "rate": "7.1234"}
    ], "yen have no decimals, but files have"
    assert [one["@type"].split(".")[1] for one in (paid, written, credit)] == ["payment", "debt", "credit_note"]

    bought = "\n".join(
        json.dumps({"customer": customer, "date": "20260105", "amount": n, "currency": "CNY"}) for n in (1.5, 2, 2)
    )
    await imported(gateway, "purchases", bought.encode())
    own = (await data_of(gateway, customer))[4:]
    assert [one["total"]["amount"] for one in own] == ["1.5", "2", "2"]
    assert len({one["purchase_id"] for one in own}) == 3, "two equal purchases of a day are two"

    people = csv_bytes(
        ("客户编号", "客户名称", "客户类型", "客户关系"), [[customer, "李明", "个人", "潜在客户"]], "gb18030"
    )
    await imported(gateway, "customers", people)
    (known,) = await data_of(gateway, customer, "rapport.customers")
    assert (known["name"], known["kind"], known["relation"]) == ("李明", "person", "potential")


async def test_a_disputed_invoice_says_so_by_an_event_of_its_own(gateway: House) -> None:
    customer = unique()
    rows = chinese_rows(customer, 1)
    rows[0][7] = "是"
    done = await imported(gateway, "invoices", csv_bytes(CHINESE, rows))
    issued, disputed = await data_of(gateway, customer)
    assert (done["counts"]["accepted"], done["counts"]["events"]) == (1, 2)
    assert (disputed["@id"], disputed["disputed"]) == (issued["@id"] + "/disputed", True)


async def test_a_preview_shows_what_would_be_and_sends_nothing(gateway: House) -> None:
    customer = unique()
    rows = english_rows([customer], 40)
    rows[3][5] = "viel"
    content = csv_bytes(ENGLISH, rows, "utf-8-sig", ";")
    answer = await send(gateway, "invoices", content, preview=True)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["preview"], told["rows"], len(told["events"])) == (True, 40, 10)
    assert told["events"][0]["subject"] == customer and told["events"][0]["source"] == SOURCE
    assert [(one["line"], one["column"]) for one in told["refused"]] == [(5, "amount")]
    assert (told["format"]["delimiter"], told["format"]["encoding"]) == (";", "utf-8-sig")
    assert told["format"]["mapping"] == {name: name for name in ENGLISH}
    assert await data_of(gateway, customer) == []
    assert await gateway.runtime.db["imports"].count_documents({"counts.rows": 0, "state": "waiting"}) == 0


async def test_a_mapping_that_was_given_is_remembered_for_the_source(gateway: House) -> None:
    source, customer = f"erp/{unique()}", unique()
    heading = ("Beleg", "customer", "currency", "issue_date", "due_date", "amount")
    content = csv_bytes(heading, english_rows([customer], 3))
    answer = await send(gateway, "invoices", content, source=source)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_columns")
    assert "invoice is missing" in answer.json()["detail"] and "Beleg" in answer.json()["detail"]
    await imported(gateway, "invoices", content, source=source, mapping={"invoice": "Beleg"})
    other = csv_bytes(heading, english_rows([customer], 4))
    assert (await imported(gateway, "invoices", other, source=source))["counts"]["accepted"] == 4
    assert (await send(gateway, "invoices", content, source=f"erp/{unique()}")).status_code == 422, (
        "of that source alone"
    )


async def test_the_same_file_sent_again_is_the_import_that_it_was(gateway: House) -> None:
    customer = unique()
    content = csv_bytes(ENGLISH, english_rows([customer], 5))
    done = await imported(gateway, "invoices", content)
    again = await send(gateway, "invoices", content)
    assert (again.status_code, again.json()["id"]) == (200, done["id"])
    assert len(await data_of(gateway, customer)) == 5


async def test_the_bytes_of_a_file_go_once_it_is_done_and_its_refused_rows_stay(gateway: House) -> None:
    customer = unique()
    rows = english_rows([customer], 3)
    rows[1][2] = "?"
    done = await imported(gateway, "invoices", csv_bytes(ENGLISH, rows))
    db = gateway.runtime.db

    async def gone() -> bool:
        return await db["import_chunks"].count_documents({"i": done["id"]}) == 0

    await until(gone, "the bytes to go")
    assert await db["import_refused"].count_documents({"i": done["id"]}) == 1
    exporter = gateway.runtime.service.exporter
    assert exporter is not None
    held = await exporter(db, customer)
    assert [row["line"] for row in held["import_refused"]] == [3], "who asks what is held of him is told"


@pytest.mark.parametrize(
    ("kind", "content", "asked", "status", "code"),
    [
        ("invoises", b"x", {}, 404, "unknown_kind"),
        ("invoices", b"", {}, 422, "unknown_format"),
        ("invoices", b"\xd0\xcf\x11\xe0", {}, 422, "unknown_format"),
        ("invoices", b"PK\x03\x04", {}, 422, "unreadable_workbook"),
        ("invoices", b"a,b\n1,2", {}, 422, "bad_columns"),
        ("invoices", b"a,b\n1,2", {"mapping": "{"}, 422, "bad_mapping"),
        ("invoices", b"a,b\n1,2", {"currency": "XYZ"}, 422, "bad_currency"),
        ("invoices", b"a,b\n1,2", {"decimal": "dot"}, 422, "invalid"),
        ("invoices", b"a,b\n1,2", {"previw": "true"}, 422, "invalid"),
        ("invoices", b"a,b\n1,2", {"source": None}, 422, "source_missing"),
    ],
)
async def test_what_cannot_be_imported_is_a_problem_that_says_what_to_do(
    kind: str, content: bytes, asked: dict[str, str], status: int, code: str, gateway: House
) -> None:
    answer = await send(gateway, kind, content, **asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.json()["detail"]) > 20


async def test_a_source_imports_only_as_itself_and_sees_only_its_own(gateway: House) -> None:
    _, token = await gateway.source(takes=["rapport.trade"], sources=["erp/shanghai"])
    _, other = await gateway.source(takes=["rapport.invoice.issued.v1"], sources=["pos"])
    content = csv_bytes(ENGLISH, english_rows([unique()], 2))
    told = await send(gateway, "invoices", content, token=token, source="erp/beijing")
    assert (told.status_code, told.json()["code"]) == (403, "source_not_granted")
    told = await send(gateway, "invoices", content, token=other, source="pos")
    assert (told.status_code, told.json()["code"]) == (403, "type_not_granted")
    mine = await send(gateway, "invoices", content, token=token, source=None)
    assert (mine.status_code, mine.json()["source"]) == (202, "erp/shanghai")
    done = await ended(gateway, mine.json()["id"])
    assert done["counts"]["accepted"] == 2
    assert [one["id"] for one in (await ask(gateway, "/imports", token)).json()["items"]] == [done["id"]]
    assert (await ask(gateway, f"/imports/{done['id']}", other)).status_code == 404
    assert (await ask(gateway, "/imports", other)).json()["items"] == []
    assert done["id"] in [one["id"] for one in (await ask(gateway, "/imports", limit=500)).json()["items"]]


async def test_a_file_longer_than_events_may_be_is_taken_up_to_its_own_limit(gateway: House) -> None:
    customer = unique()
    heading = (*ENGLISH, "note")
    rows = [[*row, "x" * 50_000] for row in english_rows([customer], 100)]
    done = await imported(gateway, "invoices", csv_bytes(heading, rows))
    assert done["size"] > gateway.settings.http_max_body_bytes and done["counts"]["accepted"] == 100
    async with gateway.client() as client:
        answer = await client.post("/imports/invoices", headers={"Content-Length": "500000001"}, content=b"")
    assert answer.status_code == 413


async def test_a_systems_own_ids_are_accounts_of_that_system_and_a_file_with_both_ids_links_them(
    gateway: House,
) -> None:
    customer, own = unique(), unique("77")
    rows = english_rows([own], 2)
    await imported(gateway, "invoices", csv_bytes(ENGLISH, rows), system="shop/east")
    account = f"shop%2Feast:{own}"
    assert len(await data_of(gateway, account)) == 2 and await data_of(gateway, own) == []
    both = csv_bytes(("customer", "local_id", "name", "type"), [[customer, own, "李明", "person"]])
    await imported(gateway, "customers", both, system="shop/east")
    registered, linked = await data_of(gateway, customer, "rapport.customers")
    assert (registered["name"], linked["@type"]) == ("李明", "rapport.customer.linked.v1")
    assert (linked["system"], linked["local_id"]) == ("shop/east", own)
    assert linked["@id"] == registered["@id"] + "/linked"


async def test_a_source_that_is_registered_with_its_system_need_not_say_so(gateway: House) -> None:
    _, token = await gateway.source(takes=["rapport.trade", "rapport.customers"], sources=["pos"], system="till")
    own = unique("T")
    answer = await send(gateway, "invoices", csv_bytes(ENGLISH, english_rows([own], 1)), token=token, source="pos")
    await ended(gateway, answer.json()["id"])
    assert len(await data_of(gateway, f"till:{own}")) == 1
    alone = csv_bytes(("customer", "name", "type"), [[own, "李明", "person"]])
    answer = await send(gateway, "customers", alone, token=token, source="pos")
    await ended(gateway, answer.json()["id"])
    assert [one["name"] for one in await data_of(gateway, f"till:{own}", "rapport.customers")] == ["李明"]
