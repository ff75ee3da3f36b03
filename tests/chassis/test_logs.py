"""Log lines: tied to trace and event, readable by machines, without personal data."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from services.chassis import logs


class Lines:
    def __init__(self) -> None:
        self.stream = io.StringIO()

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def one(self) -> dict[str, Any]:
        (line,) = self.all()
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    written = Lines()
    logs.configure("alerts", form="json", stream=written.stream)
    yield written
    root.handlers[:], root.level = before
    structlog.reset_defaults()


TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_line_is_one_json_object_with_time_level_service_and_logger(lines: Lines) -> None:
    logs.log("rapport.x").info("batch.applied", records=12)
    line = lines.one()
    assert (line["event"], line["records"], line["service"]) == ("batch.applied", 12, "alerts")
    assert (line["level"], line["logger"]) == ("info", "rapport.x")
    assert line["timestamp"].endswith("Z")


def test_lines_inside_about_carry_trace_and_event(lines: Lines) -> None:
    with logs.about(event_id="erp/1", traceparent=PARENT, topic="rapport.trade"):
        logs.log("x").info("in")
        logging.getLogger("a.library").warning("inside too")
    logs.log("x").info("out")
    inside, library, outside = lines.all()
    assert (inside["event_id"], inside["trace_id"], inside["topic"]) == ("erp/1", TRACE, "rapport.trade")
    assert (library["event_id"], library["event"]) == ("erp/1", "inside too")
    assert "event_id" not in outside


async def test_tasks_side_by_side_do_not_mix_their_events(lines: Lines) -> None:
    async def work(event_id: str) -> None:
        with logs.about(event_id=event_id):
            await asyncio.sleep(0)
            logs.log("x").info("done", expected=event_id)

    await asyncio.gather(*(work(f"e{n}") for n in range(5)))
    mine = [line for line in lines.all() if "expected" in line]  # a library may write in between
    assert mine
    assert all(line["event_id"] == line["expected"] for line in mine)


@pytest.mark.parametrize(
    "key", ["name", "mail", "phone", "address", "text", "Email", "password", "token", "comment", "data"]
)
def test_what_stands_under_a_personal_or_secret_key_is_masked_at_any_depth(lines: Lines, key: str) -> None:
    logs.log("x").info("seen", customer={"things": [{key: "leak"}]}, **{key: "leak"})
    assert "leak" not in json.dumps(lines.one())


@pytest.mark.parametrize(
    "text",
    [
        "to wang.li+x@mail.example.cn refused",
        "call 13800138000 failed",
        "call +86 13800138000 failed",
        "id 11010519491231002X is taken",
        "cannot reach mongodb://user:hunter2@db:27017/",
    ],
)
def test_what_looks_personal_is_masked_in_any_text_and_in_library_lines(lines: Lines, text: str) -> None:
    logs.log("x").info(text, note_of=text)
    logging.getLogger("library").warning("said %s", text)
    written = json.dumps(lines.all())
    assert not [secret for secret in ("@mail", "13800138000", "11010519491231002X", "hunter2") if secret in written]


def test_ids_times_and_figures_stay_readable(lines: Lines) -> None:
    kept = {
        "subject": "cdnow-00042",
        "event_id": "erp-7/INV-2026-000117",
        "offset": 13800138000,
        "at": "2026-11-22T12:38:58.160693Z",
        "uuid": "5c1c3ff4-6a5b-5b0a-9f6e-0d7c1f0a4b11",
        "invoice": "INV-13800138000",
        "total": "1234567.89",
    }
    logs.log("x").info("seen", **kept)
    assert {key: lines.one()[key] for key in kept} == kept


def test_an_exception_is_told_without_the_values_around_it(lines: Lines) -> None:
    phone = "13800138000"
    try:
        raise ValueError(f"bad number {phone} of a@b.cn")
    except ValueError:
        logs.log("x").exception("fold.failed")
    line = lines.one()
    assert "ValueError" in line["exception"]
    assert "test_logs.py" in line["exception"]
    assert "13800138000" not in json.dumps(line)
    assert "a@b.cn" not in json.dumps(line)


def test_whole_events_models_and_bytes_are_named_and_not_shown(lines: Lines) -> None:
    class Payload(msgspec.Struct):
        nickname: str

    class Model(BaseModel):
        nickname: str

    shown = [Payload("leak"), Model(nickname="leak"), b"leak", SecretStr("leak")]
    logs.log("x").info("seen", things=shown, deep=[[[[[[[["leak"]]]]]]]])
    line = lines.one()
    assert "leak" not in json.dumps(line)
    assert line["things"][:3] == ["<Payload>", "<Model>", "<bytes>"]


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    logs.configure("alerts", level="warning", form="json", stream=stream)
    logs.log("x").info("quiet")
    logs.log("x").warning("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_a_terminal_gets_text_for_people() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    logs.configure("alerts", stream=stream)
    logs.log("x").info("batch.applied", phone="13800138000", records=3)
    assert "batch.applied" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
    assert "13800138000" not in stream.getvalue()


@pytest.mark.parametrize("bad", [None, "", "x", f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{TRACE}-short-01"])
def test_a_traceparent_that_is_none_begins_a_new_trace(bad: str | None) -> None:
    assert logs.trace_id(bad) is None
    made = logs.traceparent_under(bad)
    assert logs.trace_id(made) not in (None, TRACE)


def test_what_is_caused_stays_in_the_trace_under_a_new_span() -> None:
    made = logs.traceparent_under(PARENT)
    assert logs.trace_id(made) == TRACE
    assert made != PARENT


@given(st.text())
def test_masking_never_fails_and_is_done_after_once(text: str) -> None:
    masked = logs.masked_text(text)
    assert logs.masked_text(masked) == masked
