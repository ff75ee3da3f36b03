"""Where a bookkeeper would look first, when the books and we do not agree: documents of ours that could explain it.

A hint is no finding. Each is something that is so in our documents and whose amount is the very difference, or that is
recent enough to lie on one side only; what it means is for people to find out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Literal

import msgspec

from services.alerts.model.balance import Side, Stated
from services.alerts.model.open_item import OpenItem, open_on, total_on
from services.alerts.model.settlement import Settlement

HintKind = Literal["twice", "not_in_books", "settled_in_books", "next_day", "other_currency", "waits", "recent"]
RECENT: Final = timedelta(days=7)  # before the day of the books; a file that is late is rarely later
MOST: Final = 5  # of a currency: who has more to look at begins with the books
_RANK: Final[dict[HintKind, int]] = {
    "twice": 0,
    "not_in_books": 1,
    "settled_in_books": 2,
    "next_day": 3,
    "other_currency": 4,
    "waits": 5,
    "recent": 6,
}


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """A document of ours, and what about it could explain a difference:

    - `twice`: two of the same customer, day and amount, and the difference is that amount;
    - `not_in_books`: its amount is the difference: the books may not have it, or state it as settled otherwise;
    - `settled_in_books`: what is open of it is the difference: its payment may not have reached us;
    - `next_day`: dated after the day, and its amount is the difference: the books may have counted it already;
    - `other_currency`: the same amount is lacking in another currency;
    - `waits`: it was applied or reversed, and the document itself has not come;
    - `recent`: dated in the last days before.
    """

    kind: HintKind
    what: str
    document: str = ""
    company: str = ""
    dated_on: date | None = None
    amount: Decimal | None = None
    currency: str


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document with its own amount: above zero where it makes the balance larger."""

    what: str
    document: str
    company: str
    dated_on: date
    amount: Decimal
    currency: str
    open: Decimal = Decimal(0)
    counts: bool = True

    def hint(self, kind: HintKind) -> Hint:
        """It could explain a difference."""
        return Hint(
            kind=kind,
            what=self.what,
            document=self.document,
            company=self.company,
            dated_on=self.dated_on,
            amount=abs(self.amount),
            currency=self.currency,
        )


def hints(stated: Stated, items: Iterable[OpenItem], settlements: Sequence[Settlement]) -> list[Hint]:
    """What could explain the differences of a statement, in the order in which to look, by currency.

    Args:
        stated: the statement; nothing is said of currencies that agree.
        items: all invoices of the customer.
        settlements: all payments, credit notes and write-offs of the customer.
    """
    found: list[Hint] = []
    documents = list(_documents(stated, items, settlements))
    for side in stated.sides:
        if side.difference:
            own = [one for one in documents if one.currency == side.currency]
            said = [*_of_amount(side, own, stated.as_of), *_elsewhere(side, stated), *_recent(own, stated.as_of)]
            first: dict[tuple[str, str, str], Hint] = {}
            for hint in sorted(said, key=_rank):
                first.setdefault((hint.what, hint.company, hint.document), hint)
            found += list(first.values())[:MOST]
    if found:
        found += [
            Hint(kind="waits", what="settlement", document=one.document_id, company=one.company, currency="")
            for one in settlements
            if one.waiting and stated.company in ("", one.company)
        ][:MOST]
    return found


def _rank(hint: Hint) -> tuple[int, int, str]:
    return _RANK[hint.kind], -(hint.dated_on or date.min).toordinal(), hint.document


def _documents(stated: Stated, items: Iterable[OpenItem], settlements: Iterable[Settlement]) -> Iterator[_Document]:
    for item in items:
        facts = item.invoice
        if facts is not None and stated.company in ("", item.company):
            yield _Document(
                what="invoice",
                document=item.invoice_id,
                company=item.company,
                dated_on=facts.issued_on,
                amount=facts.total,
                currency=facts.currency,
                open=open_on(item, stated.as_of),
                counts=total_on(item, stated.as_of) is not None,
            )
    for one in settlements:
        receipt = one.receipt
        if receipt is not None and stated.company in ("", one.company):
            yield _Document(
                what=receipt.kind,
                document=one.document_id,
                company=one.company,
                dated_on=receipt.dated_on,
                amount=-receipt.total,
                currency=receipt.currency,
                counts=receipt.dated_on <= stated.as_of,
            )


def _of_amount(side: Side, documents: Sequence[_Document], as_of: date) -> Iterator[Hint]:
    """Documents whose amount is the difference: it is ours less theirs."""
    same: dict[tuple[str, date, Decimal], list[_Document]] = defaultdict(list)
    for one in documents:
        if one.counts:
            same[one.what, one.dated_on, one.amount].append(one)
            if one.amount == side.difference:
                yield one.hint("not_in_books")
            elif one.open and one.open == side.difference:
                yield one.hint("settled_in_books")
        elif as_of < one.dated_on <= as_of + RECENT and one.amount == -side.difference:
            yield one.hint("next_day")
    for alike in same.values():
        if len(alike) > 1 and alike[0].amount * (len(alike) - 1) == side.difference:
            yield from (one.hint("twice") for one in alike)


def _elsewhere(side: Side, stated: Stated) -> Iterator[Hint]:
    for other in stated.sides:
        if other.currency != side.currency and other.difference == -side.difference:
            yield Hint(kind="other_currency", what=other.currency, amount=abs(side.difference), currency=side.currency)


def _recent(documents: Iterable[_Document], as_of: date) -> Iterator[Hint]:
    return (one.hint("recent") for one in documents if one.counts and as_of - RECENT < one.dated_on <= as_of)
