"""Pages, versions, and requests that count once."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.auth import Caller, Role
from services.chassis.pages import (
    Position,
    etag,
    event_id_from,
    fingerprint,
    read_cursor,
    wanted_version,
    write_cursor,
)
from services.chassis.problems import Problem
from tests.chassis.webkit import Small

zones = st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-3, minutes=-30))])
values = st.one_of(
    st.none(), st.text(), st.integers(1 - 2**63, 2**63 - 1), st.booleans(), st.dates(), st.datetimes(timezones=zones)
)  # what an index may be sorted by


@given(st.lists(values, max_size=4).map(tuple))
def test_a_cursor_gives_the_position_back(position: Position) -> None:
    back = read_cursor(write_cursor(position, "q"), "q")
    assert back == position
    assert [type(value) for value in back] == [type(value) for value in position]


@given(st.text())
def test_whatever_else_comes_as_a_cursor_is_a_400(text: str) -> None:
    with pytest.raises(Problem) as refused:
        read_cursor(text, "q")
    assert (refused.value.status_code, refused.value.code) == (400, "bad_cursor")


def forged(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "content",
    [
        [1, "q", [["", {"$gt": ""}]]],
        [1, "q", [["", ["a"]]]],
        [1, "q", [["", 1.5]]],
        [1, "q", [["", 10**40]]],
        [1, "q", [["t", "yesterday"]]],
        [1, "q", [["t", 5]]],
        [1, "q", [["x", "a"]]],
        [1, "q", [["", "a", "b"]]],
        [1, "q", {"a": 1}],
        [2, "q", []],
        [1, "q"],
        {},
        None,
    ],
)
def test_a_forged_cursor_never_reaches_the_database(content: object) -> None:
    with pytest.raises(Problem):
        read_cursor(forged(content), "q")


def test_a_cursor_of_a_list_with_other_filters_is_refused() -> None:
    cursor = write_cursor(("c-1", date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)), fingerprint("/alerts", "open"))
    with pytest.raises(Problem, match="other filters"):
        read_cursor(cursor, fingerprint("/alerts", "resolved"))


def test_what_an_index_is_not_sorted_by_makes_no_cursor() -> None:
    with pytest.raises(TypeError):
        write_cursor((1.5,), "q")  # type: ignore[arg-type]


async def test_following_the_pages_shows_each_entry_once(tmp_path: Path) -> None:
    seen: list[str] = []
    async with Small(tmp_path).client(Role.MANAGER) as client:
        page = (await client.get("/notes", params={"limit": 3})).json()
        while True:
            seen += page["items"]
            if page["next"] is None:
                break
            page = (await client.get("/notes", params={"limit": 3, "cursor": page["next"]})).json()
    assert seen == [f"n{n}" for n in range(7)]


async def test_a_page_is_no_longer_than_the_settings_allow(tmp_path: Path) -> None:
    async with Small(tmp_path, page_size=2, page_size_most=4).client(Role.MANAGER) as client:
        assert len((await client.get("/notes")).json()["items"]) == 2
        assert len((await client.get("/notes?limit=1000")).json()["items"]) == 4
        assert (await client.get("/notes?limit=0")).status_code == 422


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 428),
        ("*", 428),
        ("v3", 400),
        ('W/"v3"', 400),
        ('"v3", "v4"', 400),
        ('"v-1"', 400),
        ('"x"', 400),
        ("", 400),
    ],
)
def test_a_write_names_the_one_version_it_has_read(header: str | None, status: int) -> None:
    with pytest.raises(Problem) as refused:
        wanted_version(header)
    assert refused.value.status_code == status


@given(st.integers(0, 10**17))
def test_the_tag_that_was_read_is_the_version_that_is_wanted(version: int) -> None:
    assert wanted_version(etag(version)) == version


WANG, LI = Caller("wang", frozenset()), Caller("li", frozenset())


def test_repeats_under_a_key_are_one_event_and_two_callers_never_meet() -> None:
    assert event_id_from("k1", WANG) == event_id_from("k1", Caller("wang", frozenset({Role.ADMIN})))
    assert len({event_id_from("k1", WANG), event_id_from("k2", WANG), event_id_from("k1", LI)}) == 3


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "钥匙", "a\nb"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(Problem, match="Idempotency-Key"):
        event_id_from(key, WANG)


async def test_the_same_request_under_one_key_has_one_id_and_another_content_shows(tmp_path: Path) -> None:
    headers = {"If-Match": '"v3"', "Idempotency-Key": "k-1"}
    async with Small(tmp_path).client(Role.ADMIN) as client:

        async def sent(amount: int, path: str = "/notes/1", **more: str) -> dict[str, str]:
            answer = await client.post(path, json={"amount": amount}, headers=headers | more)
            made: dict[str, str] = answer.json()
            return made

        first, again, other, elsewhere = await sent(1), await sent(1), await sent(2), await sent(1, "/notes/2")
        del headers["Idempotency-Key"]
        assert (await sent(1))["event"] != (await sent(1))["event"]
    assert first == again
    assert first["event"] == other["event"] == elsewhere["event"]
    assert len({first["content"], other["content"], elsewhere["content"]}) == 3
