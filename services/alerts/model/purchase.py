"""A purchase as a set of facts: what was said of it, what became of it, and whether it is still one."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec

from services.alerts.model.facts import Conflict, FactKey

_ZERO = Decimal(0)


class PurchaseFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What one event says of a purchase: the company's date, and what it came to. `account`: that of the customer's
    under which it came, where it is not his first.
    """

    key: FactKey
    on: date
    total: Decimal
    currency: str
    account: str = ""

    @property
    def content(self) -> tuple[date, Decimal, str]:
        """What it says beside who said it."""
        return self.on, self.total, self.currency


class Return(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Goods of the purchase that came back, and what they were worth."""

    key: FactKey
    return_id: str
    on: date
    total: Decimal
    currency: str

    @property
    def content(self) -> tuple[date, Decimal, str]:
        """What it says beside who said it."""
        return self.on, self.total, self.currency


class Bought(msgspec.Struct, frozen=True, kw_only=True, gc=False, order=True, omit_defaults=True):
    """A day on which something was bought that stayed bought, and the first fact that says so, with its account."""

    on: date
    key: FactKey
    account: str = ""


class Purchase(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One purchase of a customer. Returns are sorted by id; they and a correction may come before the purchase."""

    subject: str
    purchase_id: str
    company: str = ""
    made: PurchaseFacts | None = None
    corrected: PurchaseFacts | None = None
    returns: tuple[Return, ...] = ()

    @property
    def facts(self) -> PurchaseFacts | None:
        """What holds of it: the last correction, or else what was said first; None while neither is known."""
        return self.corrected or self.made

    @property
    def returned(self) -> Decimal:
        """What came back of it, in its own currency; returns in another one lessen nothing."""
        facts = self.facts
        if facts is None:
            return _ZERO
        return sum((one.total for one in self.returns if one.currency == facts.currency), _ZERO)

    @property
    def bought(self) -> Bought | None:
        """The purchase day it stands for; None where nothing is left of it: wholly returned, or corrected to nothing.

        What cost nothing from the first (a free sample) was bought all the same.
        """
        facts = self.facts
        if facts is None:
            return None
        back = self.returned
        if back >= facts.total and (back or self.corrected is not None):
            return None
        return Bought(on=facts.on, key=facts.key, account=facts.account)


def with_made(purchase: Purchase, facts: PurchaseFacts) -> Purchase:
    """The purchase with what was said of it first. The same content again changes nothing.

    Raises:
        Conflict: it is known with other content.
    """
    held = purchase.made
    if held is not None and held.content != facts.content:
        raise Conflict(
            f"purchase {purchase.purchase_id} is known as {_said(held)}, now it came as {_said(facts)}; "
            "expected the same content again, or purchase.corrected to replace it"
        )
    if held is not None and held.key <= facts.key:
        return purchase
    return msgspec.structs.replace(purchase, made=facts)


def with_corrected(purchase: Purchase, facts: PurchaseFacts) -> Purchase:
    """The purchase with a correction; of several the one with the latest fact key holds."""
    if purchase.corrected is not None and facts.key <= purchase.corrected.key:
        return purchase
    return msgspec.structs.replace(purchase, corrected=facts)


def with_return(purchase: Purchase, back: Return) -> Purchase:
    """The purchase with goods of it returned. The same return again changes nothing.

    Raises:
        Conflict: the return is known with other content.
    """
    held = next((one for one in purchase.returns if one.return_id == back.return_id), None)
    if held is not None and held.content != back.content:
        raise Conflict(
            f"return {back.return_id} of purchase {purchase.purchase_id} is known as {_said(held)}, now it came as "
            f"{_said(back)}; expected the same content again, or a return with an id of its own"
        )
    if held is not None and held.key <= back.key:
        return purchase
    others = [one for one in purchase.returns if one.return_id != back.return_id]
    returns = sorted((*others, back), key=lambda one: one.return_id)
    return msgspec.structs.replace(purchase, returns=tuple(returns))


def _said(facts: PurchaseFacts | Return) -> str:
    return f"{facts.total} {facts.currency} on {facts.on}"
