"""What the clock's own query costs, by how many documents wait: the command that `Clock.due` really sends is caught and
explained by the database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from pymongo.monitoring import CommandListener, CommandStartedEvent

from services.alerts.handlers import alerts_service
from services.alerts.store import ITEMS
from services.chassis.clock import Clock
from services.chassis.mongo import Database, connect, database
from services.chassis.runtime import Runtime
from tests.bench.ground import Ground

DUE = (0, 1, 100, 2_000)
_AT_ONCE = 20_000
_TIMES = 20


@dataclass(frozen=True)
class Looked:
    """One query: how many waited, how many of them were due, returned and examined; its median time in ms."""

    waiting: int
    due: int
    returned: int
    keys: int
    documents: int
    ms: float

    @property
    def good(self) -> bool:
        """It examined what it returned, and one more at most."""
        return max(self.keys, self.documents) <= self.returned + 1 and self.returned <= self.due
