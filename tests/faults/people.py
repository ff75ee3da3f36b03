"""People at work during the faults: they comment on alerts over HTTP, and try again until they are answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

import httpx

from contracts.events.alerts import AlertCommented
from services.alerts.store import Note
from services.chassis.auth import Role
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer
from tests.faults.crew import Crew
from tests.faults.found import Found, Store
from tests.faults.said import Said
from tests.faults.table import Table

WHO: Final = "staff/made-L01"
PAUSE_S: Final = 0.15
TRIES: Final = 200
NOT_NOW: Final = frozenset({503, 502})


@dataclass
class People:
    """Writes one comment after another, each until it is answered. `answered`: text of the comment, and its alert."""

    crew: Crew
    seed: int
    answered: dict[str, str] = field(default_factory=dict)
    given_up: list[str] = field(default_factory=list)
    written: int = 0
    retried: int = 0
    _task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start writing."""
        issuer = LocalIssuer(Settings(home=self.crew.stack.home))
        token = issuer.issue(WHO, [Role.ADMIN])
        self._task = asyncio.create_task(self._work({"Authorization": f"Bearer {token}"}), name="people")

    async def end(self) -> None:
        """Stop. Raises what went wrong."""
        if self._task is not None:
            self._task.cancel()
            done = await asyncio.gather(self._task, return_exceptions=True)
            if isinstance(done[0], Exception):
                raise done[0]
            self._task = None

    async def _work(self, headers: dict[str, str]) -> None:
        draw = Random(f"{self.seed}/people")
        async with httpx.AsyncClient(headers=headers, timeout=15) as http:
            while True:
                await asyncio.sleep(PAUSE_S)
                alert = await self._choose(http, draw)
                if alert is not None:
                    self.written += 1
                    await self._comment(http, alert, f"made comment {self.seed}/{self.written}")

    async def _choose(self, http: httpx.AsyncClient, draw: Random) -> str | None:
        answer = await self._ask(http, "GET", "/alerts?limit=50")
        if answer is None or answer.status_code != 200:
            return None
        items = answer.json()["items"]
        return str(draw.choice(items)["id"]) if items else None

    async def _comment(self, http: httpx.AsyncClient, alert: str, text: str) -> None:
        # From here on an answer is waited for: the comment counts once however often it is sent.
        for _ in range(TRIES):
            seen = await self._ask(http, "GET", f"/alerts/{alert}")
            if seen is not None and seen.status_code == 404:
                break  # the customer was erased
            if seen is not None and seen.status_code == 200:
                headers = {"If-Match": seen.headers["ETag"], "Idempotency-Key": text.replace(" ", "-")}
                done = await self._ask(http, "POST", f"/alerts/{alert}/comment", headers, {"text": text})
                if done is not None and done.status_code == 200:
                    self.answered[text] = alert
                    return
                if done is not None and done.status_code not in {412, 404, *NOT_NOW}:
                    raise AssertionError(f"a comment got {done.status_code}: {done.text}")
            self.retried += 1
            await asyncio.sleep(PAUSE_S)
        self.given_up.append(text)

    async def _ask(
        self,
        http: httpx.AsyncClient,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        content: dict[str, str] | None = None,
    ) -> httpx.Response | None:
        urls = self.crew.urls
        if not urls:
            return None
        url = urls[self.written % len(urls)]
        try:
            return await http.request(method, url + path, headers=headers, json=content)
        except httpx.HTTPError:
            return None  # killed in the middle, or not up yet


async def writes(table: Table, people: People, store: Store, said: Said, found: Found) -> None:
    """Every answered comment is there once: its text, its line in the alert's life, and its event."""
    notes = {note.text: key for (_, key), note in (await store.all("notes", Note)).items()}
    lines = Counter(
        ref for owned in found.alerts.values() for line in owned.alert.timeline for ref in line.facts if line.by
    )
    heard = Counter(event.data.comment_id for event in said.events if isinstance(event.data, AlertCommented))
    standing = {name for _, name in found.alerts}
    table.told("comments written over HTTP / tries that had to be repeated", f"{people.written:,} / {people.retried:,}")
    table.none("answered comments that are not there once", [*_astray(people, standing, notes, lines, heard)])


def _astray(
    people: People, standing: set[str], notes: dict[str, str], lines: Counter[str], heard: Counter[str]
) -> Iterator[str]:
    for text, alert in people.answered.items():
        if alert not in standing:
            continue  # of a customer who was erased since
        key = notes.get(text)
        counts = (lines[f"rapport/alerts:{key}"], heard[key or ""])
        if key is None or counts != (1, 1):
            yield f"{text} on {alert}: note {key}, in its life and on the bus {counts}"
