"""Events of purchases in: bought, corrected, brought back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from contracts.envelope import Event
from contracts.events import sales
from contracts.payload import Payload
from services.alerts.folds.admit import admitted
from services.alerts.model import purchase as purchases
from services.alerts.model.facts import FactKey
from services.alerts.model.purchase import Purchase, PurchaseFacts, Return
from services.alerts.rules import Rules
from services.alerts.store import PURCHASES, RHYTHMS, purchase_key
from services.alerts.watch.rhythm import purchase_known
from services.chassis.aggregate import Desk, Kind, cause_of
from services.chassis.service import Needs


def _purchase_named(event: Event) -> list[tuple[Kind, str]]:
    data = cast("sales.GoodsReturned", event.data)
    if data.purchase_id is None:
        return []
    return [(PURCHASES, purchase_key(data.company, data.purchase_id)), (RHYTHMS, "")]


NEEDS: dict[type[Payload], Needs] = dict.fromkeys(
    (sales.PurchaseMade, sales.PurchaseCorrected, sales.GoodsReturned), _purchase_named
)


def _purchase(
    desk: Desk,
    rules: Rules,
    event: Event,
    company: str | None,
    purchase_id: str,
    change: Callable[[Purchase], Purchase],
    named: str = "$.purchase_id",
) -> None:
    key = purchase_key(company, purchase_id)
    before = desk.get(PURCHASES, key) or Purchase(subject=desk.subject, company=company or "", purchase_id=purchase_id)
    after = admitted(change, before, named)
    if after is not before:
        desk.put(PURCHASES, after, key)
        purchase_known(desk, rules, before.bought, after.bought, cause_of(event))


def _facts(desk: Desk, event: Event, data: sales.PurchaseMade) -> PurchaseFacts:
    return PurchaseFacts(
        key=FactKey.of(event),
        on=data.purchased_on,
        total=data.total.amount,
        currency=data.total.currency,
        account=desk.came_with,
    )


def purchase_made(rules: Rules, desk: Desk, event: Event) -> None:
    """The customer bought."""
    data = cast("sales.PurchaseMade", event.data)
    facts = _facts(desk, event, data)
    _purchase(desk, rules, event, data.company, data.purchase_id, lambda held: purchases.with_made(held, facts))


def purchase_corrected(rules: Rules, desk: Desk, event: Event) -> None:
    """A purchase as it was."""
    data = cast("sales.PurchaseCorrected", event.data)
    facts = _facts(desk, event, data)
    _purchase(desk, rules, event, data.company, data.purchase_id, lambda held: purchases.with_corrected(held, facts))


def goods_returned(rules: Rules, desk: Desk, event: Event) -> None:
    """Goods came back. Where it is not said of which purchase, no purchase day falls away."""
    data = cast("sales.GoodsReturned", event.data)
    if data.purchase_id is None:
        return
    back = Return(
        key=FactKey.of(event),
        return_id=data.return_id,
        on=data.returned_on,
        total=data.total.amount,
        currency=data.total.currency,
    )
    _purchase(
        desk,
        rules,
        event,
        data.company,
        data.purchase_id,
        lambda held: purchases.with_return(held, back),
        "$.return_id",
    )


BOUGHT: Final[dict[type[Payload], Callable[[Rules, Desk, Event], None]]] = {
    sales.PurchaseMade: purchase_made,
    sales.PurchaseCorrected: purchase_corrected,
    sales.GoodsReturned: goods_returned,
}
