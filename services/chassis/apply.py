"""The one door: everything that changes a subject is applied here, in one MongoDB transaction.

A batch is split by subject into lanes that run side by side. A lane loads the states it needs, folds (fold.py), and
stores in one transaction: new ids into the ledger or inbox, changed documents under the version of their head, what
is said into the outbox, dead letters. Nothing else in the suite writes a subject.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from pymongo import WriteConcern
from pymongo.errors import PyMongoError

from .aggregate import EVERY, Desk, Key, State, Stored
from .batch import Batch, Outcome, Position
from .cache import StateCache
from .claims import Claim, Claims, Subject
from .erase import bared, erased_among
from .errors import duplicate, heals
from .fold import Folded, fold_subject, known_needs
from .ledger import Ledger
from .metrics import Metrics
from .mongo import FORGETFUL, MAJORITY, Database, Doc, from_doc
from .plan import Plan, settle, state_of, storable
from .roots import Led, led
from .service import Service
from .sessions import Sessions
from .transaction import Stale, Transactions
from .work import Dead, Work


@dataclass
class Applier:
    """Applies work for one service. Safe beside other appliers of the same service, in this process and in others."""

    service: Service
    db: Database
    sessions: Sessions
    ledger: Ledger
    metrics: Metrics
    cache: StateCache
    shards: int = 8
    lanes: int = 2
    hand: Callable[[list[Doc], Collection[int]], None] = lambda _rows, _unsure: None  # to the relay
    small: int = 256  # a batch below this goes in one lane: a second transaction would cost more than it saves
    claims: Claims = field(default_factory=Claims)
    roots: dict[Subject, str] = field(default_factory=dict)  # seen here: so that a customer's work goes in one lane

    @cached_property
    def transactions(self) -> Transactions:
        """Where plans are written."""
        return Transactions(self.service, self.db, self.sessions)

    @property
    def source(self) -> str:
        """What this service calls itself on the bus."""
        return f"rapport/{self.service.name}"

    async def apply(
        self,
        works: list[Work],
        positions: Iterable[Position] = (),
        unread: Iterable[Dead] = (),
        *,
        after: asyncio.Task[Outcome] | None = None,
    ) -> Outcome:
        """Apply a batch; returns when it is committed, however long the database is away.

        `after` is the batch read before this one, if it is still under way: a lane goes on with this batch as soon as
        it is through with that one, and how far was read is stored in their order.

        Raises:
            asyncio.CancelledError: the batch was dropped; nothing of the open transaction stays.
        """
        positions, unread = list(positions), list(unread)
        if not works and not unread:
            # Only how far was read: if it is lost, the same nothing is read again, so nobody waits for its durability.
            await _over(after)
            await self._retried("offsets", lambda: self._save(positions, FORGETFUL))
            return Outcome()
        lanes = [works]
        if self.lanes > 1 and max(len(works), len(self.claims)) >= self.small:
            lanes = [[work for work in works if self._lane_of(work) == n] for n in range(self.lanes)]
        claims = [self.claims.ask(self._places(lane)) for lane in lanes]  # here, before anything else may ask
        try:
            if len(lanes) == 1:
                await _over(after)
                return await self._in_turn(claims[0], works, unread, positions)
            outcome = await self._side_by_side(lanes, claims, unread)
        finally:
            for claim in claims:  # one that was called off before its turn has not given it back
                claim.release()
        await _over(after)
        await self._retried("offsets", lambda: self._save(positions))
        return outcome

    def _lane_of(self, work: Work) -> int:
        subject = work.subject
        if self.roots:
            subject = self.roots.get((work.head.name, subject), subject)
        return zlib.crc32(subject.encode()) % self.lanes

    def _places(self, works: list[Work]) -> set[Subject]:
        found = {(work.head.name, work.subject) for work in works}
        if self.roots:
            found |= {(at[0], self.roots[at]) for at in found & self.roots.keys()}
        return found

    async def _side_by_side(self, lanes: list[list[Work]], claims: list[Claim], unread: list[Dead]) -> Outcome:
        running = (
            self._in_turn(claim, lane, unread if n == 0 else [], [])
            for n, (claim, lane) in enumerate(zip(claims, lanes, strict=True))
        )
        outcome = Outcome()
        # None is left running behind another's fault.
        for part in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(part, BaseException):
                raise part
            outcome.add(part)
        return outcome

    async def _in_turn(self, claim: Claim, works: list[Work], unread: list[Dead], positions: list[Position]) -> Outcome:
        try:
            await claim.turn()
            return await self._lane(works, unread, positions)
        finally:
            claim.release()

    async def _save(self, positions: list[Position], concern: WriteConcern = MAJORITY) -> None:
        if positions:
            offsets = self.db.get_collection("offsets", write_concern=concern)
            await offsets.bulk_write([position.update() for position in positions], ordered=False)

    async def move(self, positions: list[Position]) -> None:
        """Move clocks on without a batch. A database that is away is no harm: the clock waits."""
        try:
            await self._save(positions, FORGETFUL)
        except PyMongoError as error:
            if not heals(error):
                raise

    async def positions(self) -> dict[tuple[str, int], tuple[int, datetime]]:
        """Applied offsets and clocks by partition, as the database has them: the authority over Kafka's."""
        out: dict[tuple[str, int], tuple[int, datetime]] = {}

        async def read() -> None:
            async for doc in self.db["offsets"].find({}):
                out[(doc["topic"], doc["partition"])] = (doc["next"], doc["clock"])

        await self._retried("offsets", read)
        return out

    async def _retried(self, stage: str, attempt: Callable[[], Awaitable[None]]) -> None:
        delay = 0.02
        while True:
            try:
                await attempt()
            except PyMongoError as error:
                if not heals(error):
                    raise
                self.metrics.retries.labels(stage=stage).inc()
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
            else:
                return

    async def _lane(self, works: list[Work], unread: list[Dead], positions: list[Position]) -> Outcome:
        batch = Batch(works, unread, positions)
        delay = 0.01
        while True:
            try:
                return await self._attempt(batch)
            except Stale:
                self.metrics.conflicts.inc()
            except PyMongoError as error:
                if duplicate(error):
                    await self._retried("known", lambda: self._look_up(batch))
                elif not heals(error) and not batch.grows_careful():
                    raise
                self.metrics.retries.labels(stage="transaction").inc()
            except Exception:
                if not batch.grows_careful():
                    raise
            self.cache.drop(self._places(works))
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)

    async def _look_up(self, batch: Batch) -> None:
        batch.looked_up = True
        batch.known = await self.ledger.known(batch.works)
        letters = [work.cause for work in batch.works] + [dead.id for dead in batch.unread]
        letters += [work.resent.letter for work in batch.works if work.resent is not None]
        cursor = self.db["dead"].find({"_id": {"$in": letters}}, {"status": 1, "attempt": 1, "event_id": 1})
        batch.filed = {doc["_id"]: doc async for doc in cursor}
        batch.unread = bared(batch.unread, await erased_among(self.db, self.service, batch.unread))

    async def _attempt(self, batch: Batch) -> Outcome:
        if not batch.looked_up:
            batch.known |= await self.ledger.known_earlier(batch.works)
            if any(work.resent is not None for work in batch.works):
                await self._look_up(batch)
        fresh = batch.fresh()
        folded, signposts = await self._fold(fresh, storable if batch.careful else None)
        outcome = Outcome(repeats=len(batch.works) - len(fresh))
        unfit = [dead for one in folded for dead in one.dead]
        if (batch.unread or unfit) and not batch.looked_up:
            await self._look_up(batch)
            if any(work.id in batch.known for work in fresh):
                # A repeat is often refused by what it did itself the first time; it is no dead letter.
                for one in folded:
                    self.cache.give(one.state)
                return await self._attempt(batch)
        outcome.refused = [*bared(batch.unread, {one.state.subject for one in folded if one.erase}), *unfit]
        outcome.dead = batch.unfiled(outcome.refused)
        plan = Plan.of(folded, outcome.dead, self.service, self.shards)
        plan.mend(batch.mended({dead.id for dead in outcome.refused}), self.service, self.shards)
        plan.guard(signposts)
        await self.ledger.prepare(plan.taken)
        with self.metrics.timed("transaction"):
            await self.transactions.store(plan, [position.update() for position in batch.positions])
        if plan.outbox:
            self.hand(plan.outbox, plan.unsure)  # before the states go on to others: what those lead to comes behind
        for one in folded:
            settle(one)
        for state in (*signposts, *(one.state for one in folded)):
            self.cache.give(state)
        outcome.applied = len(fresh) - sum(len(one.dead) for one in folded)
        outcome.said, outcome.parts = len(plan.outbox), set(plan.parts)
        outcome.due = any(one.due_at_once for one in folded)
        return outcome

    async def _fold(
        self, works: list[Work], check: Callable[[Desk], None] | None = None
    ) -> tuple[list[Folded], list[State]]:
        by_subject: dict[Subject, list[Work]] = defaultdict(list)
        signposts: list[State] = []
        for work in works:
            by_subject[(work.head.name, work.subject)].append(work)
        with self.metrics.timed("load"):
            states = await self._heads(list(by_subject))
            if any(state.root for state in states):
                states, (by_subject, signposts) = await self._led(states, works)
            await self._documents([(state, place) for state in states for place in known_needs(state, by_subject)])
        done: list[Folded] = []
        pending = states
        while pending:
            with self.metrics.timed("fold"):
                tried = [
                    fold_subject(state, by_subject[(state.head, state.subject)], self.source, self.service.kinds, check)
                    for state in pending
                ]
            done += [one for one in tried if not one.missing]
            short = [one for one in tried if one.missing]
            with self.metrics.timed("load"):
                await self._documents([(one.state, place) for one in short for place in one.missing])
            pending = [one.state for one in short]
        return done, signposts

    async def _led(self, states: list[State], works: list[Work]) -> tuple[list[State], Led]:
        found = led(states, works, self.service.kinds)
        self.roots |= {(state.head, state.subject): state.root for state in states if state.root}
        here = {(state.head, state.subject): state for state in states}
        more = await self._heads([at for at in found.works if at not in here])
        return [here[at] for at in found.works if at in here] + more, found

    async def _heads(self, wanted: list[tuple[str, str]]) -> list[State]:
        states: list[State] = []
        absent: dict[str, list[str]] = defaultdict(list)
        for head, subject in wanted:
            held = self.cache.take(head, subject)
            if held is None:
                absent[head].append(subject)
            else:
                states.append(held)
        for head, subjects in absent.items():
            kind = self.service.kinds[head]
            found = {doc["_id"]: doc for doc in await self._among(head, "_id", subjects)}
            parts = [part.name for part in self.service.parts_of(head)]
            states += [state_of(kind, subject, found.get(subject), parts) for subject in subjects]
        return states

    async def _documents(self, missing: list[tuple[State, Key]]) -> None:
        # After the heads, never before: a change in between then shows in the head's version.
        wanted: dict[str, dict[str, tuple[State, str]]] = defaultdict(dict)
        whole: dict[str, dict[str, State]] = defaultdict(dict)
        for state, (name, key) in missing:
            if key == EVERY:
                whole[name][state.subject] = state
                continue
            state.documents[(name, key)] = Stored(None)
            if state.v:  # before its first head nothing of a subject is stored
                wanted[name][self.service.kinds[name].doc_id(state.subject, key)] = (state, key)
        found = await asyncio.gather(*(self._among(name, "_id", held) for name, held in wanted.items()))
        for name, docs in zip(wanted, found, strict=True):
            for doc in docs:
                state, key = wanted[name][doc["_id"]]
                state.documents[(name, key)] = self._stored(name, doc)
        for name, owners in whole.items():
            for doc in await self._among(name, "s", [subject for subject, state in owners.items() if state.v]):
                owners[doc["s"]].documents[(name, doc["k"])] = self._stored(name, doc)
            for state in owners.values():
                state.whole.add(name)

    def _stored(self, name: str, doc: Doc) -> Stored:
        return Stored(from_doc(doc["state"], self.service.kinds[name].type), doc.get("due"))

    async def _among(self, name: str, field: str, values: Collection[str]) -> list[Doc]:
        if not values:
            return []
        return await self.db[name].find({field: {"$in": list(values)}}, batch_size=10_000).to_list(None)


async def _over(task: asyncio.Task[Outcome] | None) -> None:
    # Its failure is this one's too: what comes after it must not be called applied.
    if task is not None:
        await asyncio.wait({task})
        task.result()
