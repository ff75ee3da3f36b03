"""services/README.md walks one invoice through the house by file and function; here each of them is looked for.

`path:name` in code marks is a name in that file: of Python a function, class, method or value, of a topic an event
type. An arrow says that the file on its left uses the name on its right.
"""

from __future__ import annotations

import importlib
import re
from functools import reduce
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "services" / "README.md").read_text("utf-8")
MARK = re.compile(r"`((?:contracts|services|deploy|tests)/[\w./-]+\.\w+)(?::([\w.]+))?`")
MARKS = sorted(set(MARK.findall(PAGE)))
CHAINS = [MARK.findall(chain) for chain in re.findall(r"`[^`\n]+`(?:\s*→\s*`[^`\n]+`)+", PAGE)]
ARROWS = sorted({pair for chain in CHAINS for pair in pairwise(chain)})


def found(path: str, name: str) -> object:
    """What `path:name` names. Raises where there is no such thing."""
    text = (ROOT / path).read_text("utf-8")
    if not name:
        return text
    if path.endswith(".yaml"):
        return next(event for event in yaml.safe_load(text)["events"] if event == name)
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    thing: object = reduce(getattr, name.split("."), module)
    # Imported into this file from another: the walk would send its reader to the wrong place.
    assert getattr(thing, "__module__", module.__name__) == module.__name__ or _assigned(text, name)
    return thing


def _assigned(text: str, name: str) -> bool:
    return re.search(rf"^{name}\b[^=\n]*=", text, re.MULTILINE) is not None


@pytest.mark.parametrize(("path", "name"), MARKS, ids=[":".join(mark) for mark in MARKS])
def test_what_the_walk_names_is_there(path: str, name: str) -> None:
    assert found(path, name) is not None


@pytest.mark.parametrize(("left", "right"), ARROWS, ids=[f"{left[0]}-{right[0]}:{right[1]}" for left, right in ARROWS])
def test_an_arrow_of_the_walk_is_a_use(left: tuple[str, str], right: tuple[str, str]) -> None:
    text = (ROOT / left[0]).read_text("utf-8")
    name = right[1].rpartition(".")[2]
    uses = [line for line in text.splitlines() if re.search(rf"\b{name}\b", line)]
    assert [line for line in uses if not re.match(rf"\s*(?:async )?(?:def|class) {name}\b", line)]


def test_the_walk_goes_all_the_way() -> None:
    """From the publisher to the mail, through each of the rooms, with enough names to be followed."""
    assert len(MARKS) > 60
    assert len(ARROWS) > 20
    named = PAGE.index
    way = [
        "contracts/topics/trade.yaml:",
        "reader.py:Reader.read",
        "books.py:invoice_issued",
        "clock.py:Clock.round",
    ]
    way += ["alert.py:reconcile", "relay.py:Relay.send_once", "deliver.py:Courier.run", "mail.py:MailConnection.send"]
    assert [named(stop) for stop in way] == sorted(named(stop) for stop in way)
    assert PAGE.count("→") == sum(len(chain) - 1 for chain in CHAINS), "an arrow stands between two names"
