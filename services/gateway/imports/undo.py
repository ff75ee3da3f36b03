"""Takes an import back: each customer in it is told of once, and services fold him again as if it had not come."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from contracts.attributes import Attributes
from contracts.envelope import encode_data
from contracts.events.customers import CustomersWithdrawn
from contracts.events.trade import TradeWithdrawn
from contracts.registry import topic_of
from services.gateway.emits import Outgoing, outgoing
from services.gateway.imports.store import Import
from services.gateway.model.kinds import KINDS


def withdrawals(one: Import, subjects: Iterable[str]) -> list[Outgoing]:
    """What undoes the import for these subjects, under ids that are the same whoever sends them."""
    withdrawn = _OF_TOPIC[topic_of(min(KINDS[one.kind].types))]
    data = encode_data(withdrawn(under=f"{one.id}/", reason=one.undo_reason))
    at = (one.undo_at or one.made_at).isoformat()
    return [
        outgoing(n, Attributes(f"{one.id}-undo/{subject}", one.source, withdrawn.TYPE, subject, at, None), data)
        for n, subject in enumerate(subjects)
    ]


def told(one: Import, line: int) -> Import:
    """The import with the subjects up to a line behind it."""
    return msgspec.structs.replace(one, undone_line=line)


_OF_TOPIC = {topic_of(withdrawn.TYPE): withdrawn for withdrawn in (CustomersWithdrawn, TradeWithdrawn)}
