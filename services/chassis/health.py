"""Whether this process lives and whether it can work: two questions with two answers.

A database that is away makes it not ready, so that it gets no requests; it stays alive, for a restart would not bring
the database back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .logs import log
from .metrics import Metrics

# Raises, or takes too long, when the part cannot be used; what it returns does not matter.
Check = Callable[[], Awaitable[object]]
_LOG = log("rapport.health")
_FRESH: Final = 0.5
STOPPING: Final = "stopping"
PASSED: Final = "ok"


class NotReadyError(Exception):
    """Raised by a check to say in its own words why the part cannot be used; the words are shown to anyone."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of all checks: `ok` or the reason, by part."""

    ready: bool
    parts: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """What the readiness address answers."""
        return {"ready": self.ready, "parts": dict(self.parts)}


class Health:
    """Asks the named parts whether they can be used, side by side, each for `timeout_ms` at most.

    Answers serve for half a second, so that the open address cannot be used to keep the database busy.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        timeout_ms: int = 2_000,
        metrics: Metrics | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = dict(checks)
        self._timeout = timeout_ms / 1000
        self._metrics = metrics
        self._now = now
        self._stopping = False
        self._asked = float("-inf")
        self._last = Report(False, {})
        self._lock = asyncio.Lock()

    def add(self, part: str, check: Check) -> None:
        """One more part to ask."""
        self._checks[part] = check

    def stopping(self) -> None:
        """From now on not ready: requests go elsewhere while this process drains."""
        self._stopping = True

    async def ready(self) -> Report:
        """Whether every part can be used, and which cannot."""
        if self._stopping:
            return Report(False, {"process": STOPPING})
        async with self._lock:
            if self._now() - self._asked > _FRESH:
                self._keep(await self._ask())
        return self._last

    async def _ask(self) -> Report:
        checks = dict(self._checks)  # a part that starts while the others are asked is asked next time
        outcomes = await asyncio.gather(*map(self._one, checks.values()))
        return Report(all(outcome == PASSED for outcome in outcomes), dict(zip(checks, outcomes, strict=True)))

    async def _one(self, check: Check) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                await check()
        except NotReadyError as reason:
            return str(reason)
        except TimeoutError:
            return f"no answer within {self._timeout:g} s"
        except Exception as failure:  # noqa: BLE001 - whatever a part fails with is the answer, by its kind alone: the address is open
            return f"failed: {type(failure).__name__}"
        return PASSED

    def _keep(self, report: Report) -> None:
        for part, outcome in report.parts.items():
            if self._metrics:
                self._metrics.ready.labels(part).set(outcome == PASSED)
            if outcome != self._last.parts.get(part, PASSED):
                say = _LOG.info if outcome == PASSED else _LOG.warning
                say("health.part", part=part, outcome=outcome)
        self._last = report
        self._asked = self._now()
