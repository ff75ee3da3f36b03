"""The audit chain: nothing can be removed, changed or moved without being found; and where it is kept."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from deploy.local.stack import Stack
from services.chassis import commands, mongo
from services.chassis.audit import Anchor, Chain, Entry, Hasher, Row, digest, verify
from services.chassis.auth import Caller, Role
from services.chassis.metrics import Metrics
from services.chassis.problems import Problem
from services.chassis.trail import COLLECTIONS, MongoStore, Trail
from tests.chassis.webkit import MemoryStore, TestSettings

START = datetime(2026, 3, 1, 8, 30, 15, 123_987, tzinfo=UTC)
WANG = Caller("wang", frozenset({Role.MANAGER, Role.AGENT}))


def chain_of(length: int, name: str = "alerts-1") -> list[Row]:
    chain = Chain(name)
    entry = Entry("wang", ("manager",), "GET /customers/{id}", "c-1", {"id": "c-1"}, {"phone": "ab" * 32}, "r-1")
    return [chain.add(entry, START + timedelta(seconds=n)) for n in range(length)]


def anchor_of(row: Row) -> Anchor:
    return Anchor(chain=row.chain, n=row.n, hash=row.hash, at=row.at)


rows = st.integers(1, 12).map(chain_of)


@given(rows)
def test_an_untouched_chain_has_no_fault(chain: list[Row]) -> None:
    assert verify(chain, [anchor_of(row) for row in chain]) == []


CHANGES: dict[str, Any] = {
    "at": START + timedelta(days=1),
    "who": "li",
    "roles": ["admin"],
    "what": "GET /nothing",
    "subject": None,
    "ids": {},
    "values": {"phone": "cd" * 32},
    "request_id": None,
}


@given(rows, st.data(), st.sampled_from(sorted(CHANGES)))
def test_a_changed_row_is_found(chain: list[Row], data: st.DataObject, member: str) -> None:
    at = data.draw(st.integers(0, len(chain) - 1))
    chain[at] = msgspec.structs.replace(chain[at], **{member: CHANGES[member]})
    assert [fault.n for fault in verify(chain)] == [at + 1]


@given(st.integers(2, 12).map(chain_of), st.data())
def test_a_changed_row_with_its_hash_made_new_is_found_at_the_next(chain: list[Row], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(chain) - 2))
    changed = msgspec.structs.replace(chain[at], who="li")
    chain[at] = msgspec.structs.replace(changed, hash=digest(changed))
    assert [fault.n for fault in verify(chain)] == [at + 2]


@given(st.integers(2, 12).map(chain_of), st.data())
def test_a_removed_row_is_found(chain: list[Row], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(chain) - 2))
    del chain[at]
    faults = verify(chain)
    assert faults
    assert faults[0].n == at + 1
    assert "missing" in faults[0].what


@given(st.integers(2, 12).map(chain_of), st.data())
def test_moved_rows_are_found(chain: list[Row], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(chain))))
    faults = verify([chain[at] for at in order])
    assert bool(faults) == (list(order) != list(range(len(chain))))


@given(rows, st.data())
def test_a_repeated_row_is_found(chain: list[Row], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(chain) - 1))
    assert verify([*chain[: at + 1], chain[at], *chain[at + 1 :]])


@given(st.integers(2, 12).map(chain_of), st.data())
def test_a_cut_off_end_is_found_by_its_anchor(chain: list[Row], data: st.DataObject) -> None:
    anchors = [anchor_of(chain[-1])]
    kept = data.draw(st.integers(0, len(chain) - 1))
    assert verify(chain[:kept]) == []
    assert [fault.n for fault in verify(chain[:kept], anchors)] == [kept + 1]


def test_a_chain_written_anew_from_some_row_on_is_found_by_its_anchor() -> None:
    written = chain_of(5)
    anew = Chain("alerts-1")
    forged = [anew.add(Entry("li" if n == 2 else "wang", ("manager",), "x"), START) for n in range(5)]
    assert verify(forged) == []
    assert "written anew" in verify(forged, [anchor_of(written[3])])[0].what


def test_a_row_of_another_chain_does_not_fit_in() -> None:
    mine, other = chain_of(3), chain_of(3, "alerts-2")
    renamed = msgspec.structs.replace(other[0], chain="alerts-1")
    assert verify([renamed, *mine[1:]])
    assert verify([*mine, *other]) == []


def test_hashes_compare_values_and_do_not_give_them_away() -> None:
    hasher, other = Hasher(b"k"), Hasher(b"l")
    assert hasher.of({"phone": "138"}) == hasher.of({"phone": "138"})
    assert hasher.of({"phone": "138"}) != hasher.of({"phone": "139"})
    assert hasher.of({"phone": "138"}) != other.of({"phone": "138"})
    assert hasher.of({"phone": "1"})["phone"] != hasher.of({"mail": "1"})["mail"]


class MongoKept:
    """The real store, seen as the tests see the one in memory."""

    def __init__(self, db: mongo.Database) -> None:
        self.db = db
        self.store = MongoStore(db)

    async def all(self) -> list[Row]:
        return [row async for row in self.store.rows()]

    async def anchored(self) -> list[Anchor]:
        return [anchor async for anchor in self.store.anchors()]


class MemoryKept:
    def __init__(self) -> None:
        self.store = MemoryStore()

    async def all(self) -> list[Row]:
        return self.store.all()

    async def anchored(self) -> list[Anchor]:
        return self.store.anchors


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.stack)])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[MemoryKept | MongoKept]:
    if request.param == "memory":
        yield MemoryKept()
        return
    stack: Stack = request.getfixturevalue("stack")
    client = mongo.connect(stack.mongo)
    db = mongo.database(client, f"audit_{uuid.uuid4().hex[:8]}")
    await mongo.ensure(db, COLLECTIONS)
    yield MongoKept(db)
    await client.drop_database(db.name)
    client.close()


def trail_on(kept: MemoryKept | MongoKept, **settings: Any) -> Trail:
    return Trail(kept.store, TestSettings(**settings), Metrics())


async def anchored_up_to(kept: MemoryKept | MongoKept, n: int) -> None:
    async with asyncio.timeout(5):
        while True:
            if max((anchor.n for anchor in await kept.anchored()), default=0) >= n:
                return
            await asyncio.sleep(0.005)


async def test_rows_are_kept_as_they_were_made_and_the_first_is_anchored_at_once(kept: MemoryKept | MongoKept) -> None:
    trail = trail_on(kept)
    for n in range(3):
        await trail.record(WANG, "GET /x", subject=f"c-{n}", ids={"id": "i"}, values={"v": "w"}, request_id="r")
    stored = await kept.all()
    assert [(row.n, row.who, row.subject, row.roles) for row in stored] == [
        (n + 1, "wang", f"c-{n}", ["agent", "manager"]) for n in range(3)
    ]
    assert [anchor.n for anchor in await kept.anchored()] == [1]
    assert verify(stored, await kept.anchored()) == []


async def test_many_requests_side_by_side_make_one_unbroken_chain(kept: MemoryKept | MongoKept) -> None:
    trail = trail_on(kept)
    await asyncio.gather(*(trail.record(WANG, "GET /x", subject=f"c-{n}") for n in range(60)))
    await trail.close()
    assert len(await kept.all()) == 60
    assert verify(await kept.all(), await kept.anchored()) == []
    assert max(anchor.n for anchor in await kept.anchored()) == 60


async def test_rows_that_are_kept_twice_stand_once(kept: MemoryKept | MongoKept) -> None:
    chain = chain_of(4)
    await kept.store.keep(chain[:2])
    await kept.store.keep(chain)
    await kept.store.keep(chain)
    await kept.store.anchor(anchor_of(chain[3]))
    assert await kept.all() == chain


async def test_a_successor_anchors_what_a_killed_process_left_behind(kept: MemoryKept | MongoKept) -> None:
    killed, successor = trail_on(kept), trail_on(kept)
    for _ in range(5):
        await killed.record(WANG, "GET /x")
    running = asyncio.create_task(successor.run())
    await anchored_up_to(kept, 5)
    running.cancel()


async def test_the_head_is_anchored_at_its_times_while_the_chain_grows() -> None:
    kept = MemoryKept()
    trail = trail_on(kept, audit_anchor_seconds=1)
    await trail.record(WANG, "GET /x")
    await trail.record(WANG, "GET /x")
    running = asyncio.create_task(trail.run())
    await anchored_up_to(kept, 2)
    await trail.record(WANG, "GET /x")
    await anchored_up_to(kept, 3)
    running.cancel()


async def test_rows_that_could_not_be_kept_go_with_the_next_and_none_is_missing() -> None:
    kept = MemoryKept()
    trail = trail_on(kept)
    await trail.record(WANG, "GET /x")
    kept.store.away = True
    with pytest.raises(Problem, match="not done"):
        await trail.record(WANG, "GET /x")
    kept.store.away, kept.store.loses_answer = False, True
    with pytest.raises(Problem):
        await trail.record(WANG, "GET /x")
    await trail.record(WANG, "GET /x")
    assert [row.n for row in await kept.all()] == [1, 2, 3, 4]
    assert verify(await kept.all(), await kept.anchored()) == []


async def test_a_store_that_is_away_does_not_hold_the_stop_up() -> None:
    kept = MemoryKept()
    trail = trail_on(kept)
    await trail.record(WANG, "GET /x")
    await trail.record(WANG, "GET /x")
    kept.store.away = True
    await trail.close()
    kept.store.away = False
    assert [anchor.n for anchor in await kept.anchored()] == [1]
    await trail.close()
    assert [anchor.n for anchor in await kept.anchored()] == [1, 2]


@pytest.mark.stack
async def test_a_database_that_is_away_is_a_503_and_not_a_crash() -> None:
    client = mongo.connect("mongodb://127.0.0.1:9/", serverSelectionTimeoutMS=30)
    trail = Trail(MongoStore(mongo.database(client, "gone")), TestSettings(), Metrics())
    with pytest.raises(Problem) as refused:
        await trail.record(WANG, "GET /x")
    assert refused.value.status_code == 503
    client.close()


@pytest.mark.stack
async def test_the_command_finds_what_was_changed_in_the_database(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}"
    settings = TestSettings(mongo_uri=stack.mongo, mongo_database_prefix=prefix)  # type: ignore[arg-type]
    monkeypatch.setattr(commands, "all_settings", lambda: [TestSettings])
    env = {"RAPPORT_MONGO_URI": stack.mongo, "RAPPORT_MONGO_DATABASE_PREFIX": prefix}
    client = mongo.connect(stack.mongo)
    db = mongo.database(client, settings.database)
    trail = Trail(MongoStore(db), settings, Metrics())
    for _ in range(3):
        await trail.record(WANG, "GET /x", subject="c-1")

    def run(service: str) -> tuple[int, str]:
        result = CliRunner().invoke(commands.app, ["audit", service], env=env)
        return result.exit_code, result.output

    try:
        assert await asyncio.to_thread(run, "notes") == (0, "3 rows, 0 faults\n")
        await db["audit"].update_one({"n": 2}, {"$set": {"subject": "c-2"}})
        code, said = await asyncio.to_thread(run, "notes")
        assert (code, "row 2: this row was changed" in said) == (1, True)
        code, said = await asyncio.to_thread(run, "nobody")
        assert (code, said) == (2, "There is no service nobody; there are notes.\n")
    finally:
        await client.drop_database(settings.database)
        client.close()
