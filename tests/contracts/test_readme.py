"""What contracts/README.md tells publishers is true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import contracts
from contracts.envelope import decode, decode_json
from contracts.registry import topic_of
from tests.contracts.golden import FOLDER, examples, record

PAGE = (Path(contracts.__file__).parent / "README.md").read_text("utf-8")


def block(language: str) -> str:
    """The page's code in that language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.S)
    assert found
    return found[1]


def test_the_record_of_the_page_is_taken_and_goes_to_the_right_topic() -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102 - the page's own example is what is tested
    made = names["record"]
    event = decode(made["value"], made["headers"], made["key"])
    assert topic_of(event.type) == made["topic"]


def test_the_structured_event_of_the_page_is_taken() -> None:
    assert decode_json(block("json").encode()).subject == json.loads(block("json"))["subject"]


def test_the_page_lists_exactly_the_reasons_there_are() -> None:
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.partition("## Why an event is refused")[2], re.M))
    records = {record(path).reason for path in (FOLDER / "records").glob("invalid-*.json")}
    assert listed == records | {one.reason for one in examples("invalid")}


def test_every_reason_in_the_code_is_on_the_page() -> None:
    root = Path(contracts.__file__).parent
    used = {
        reason
        for path in root.rglob("*.py")
        for reason in re.findall(r"Refused\(\s*\"([a-z_]+)\"", path.read_text("utf-8"))
    }
    assert used
    assert [reason for reason in used if f"| `{reason}` |" not in PAGE] == []
