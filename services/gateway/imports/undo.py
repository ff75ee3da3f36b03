"""Takes an import back: each customer in it is told of once, and services fold him again as if it had not come."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from contracts.attributes import Attributes
from contracts.envelope import encode_data
from contracts.events.trade import TradeWithdrawn
from services.gateway.emits import Outgoing, outgoing
from services.gateway.imports.store import Import
from services.gateway.model.kinds import KINDS
from services.gateway.model.scope import TAKEN


def can_be_undone(kind: str) -> bool:
    """Whether what files of this kind say can be withdrawn. What a customer is lies in profiles, and others have
    copies: there the next file says how it is.
    """
    return all(event.startswith(_FACTS) for event in KINDS[kind].types) and TradeWithdrawn.TYPE in TAKEN


def withdrawals(one: Import, subjects: Iterable[str]) -> list[Outgoing]:
    """What undoes the import for these subjects, under ids that are the same whoever sends them."""
    said = TradeWithdrawn(under=f"{one.id}/", reason=one.undo_reason)
    data = encode_data(said)
    at = (one.undo_at or one.made_at).isoformat()
    return [
        outgoing(n, Attributes(f"{one.id}-undo/{subject}", one.source, said.TYPE, subject, at, None), data)
        for n, subject in enumerate(subjects)
    ]


def told(one: Import, line: int) -> Import:
    """The import with the subjects up to a line behind it."""
    return msgspec.structs.replace(one, undone_line=line)


_FACTS = (
    *("rapport.invoice.", "rapport.payment.", "rapport.credit_note.", "rapport.debt.", "rapport.purchase."),
    "rapport.balance.",
)
