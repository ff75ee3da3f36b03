"""Documents of the alerts service and their indexes. A customer account is the head; everything about him is stored
under its version.
"""

from __future__ import annotations

from datetime import date

import msgspec

from services.alerts.model.account import Account
from services.alerts.model.activity.rate import Params as ActivityParams
from services.alerts.model.activity.silence import Silence
from services.alerts.model.alert import Alert
from services.alerts.model.cadence.closures import Calendar
from services.alerts.model.cadence.course import Course
from services.alerts.model.cadence.priors import Priors
from services.alerts.model.notification import Notification
from services.alerts.model.open_item import OpenItem
from services.alerts.model.order import Order
from services.alerts.model.purchase import Purchase
from services.alerts.model.quotes import Quote
from services.alerts.model.rules.receivable_over_limit import Standing
from services.alerts.model.settlement import Settlement
from services.alerts.model.staff import Colleague
from services.chassis.aggregate import Head, Part
from services.chassis.mongo import Index


class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An open item with the ids of the alerts it has caused, so that one look finds them."""

    item: OpenItem
    alerts: tuple[str, ...] = ()


class Credit(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What stands of a credit limit being passed; of one company's limit, or of that for all (empty)."""

    company: str = ""
    standing: Standing | None = None


class Owned(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An alert with the staff id of who answers for it now: readers are shown their own."""

    alert: Alert
    owner_id: str = ""


class RhythmCard(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A customer's cadence and his open silence, with the ids of all alerts they have caused. `ahead`: the first
    purchase day known that lies ahead; it does not count before it has come. `calendar`: his own closures.
    """

    course: Course = Course()
    silence: Silence = Silence()
    ahead: date | None = None
    calendar: Calendar = Calendar()
    alerts: tuple[str, ...] = ()


class FittedPrior(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Priors of the cadence in force from `valid_from`, fitted on days up to `fitted_to` with `n` customers judged."""

    valid_from: date
    fitted_to: date
    n: int
    priors: Priors


class FittedActivity(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Parameters of activity in force from `valid_from`, fitted on days up to `fitted_to` with `n` customers."""

    valid_from: date
    fitted_to: date
    n: int
    params: ActivityParams


class KnownPriors(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """All there have been of a model, by day: `fitted` of the cadence, `activity` of activity."""

    fitted: tuple[FittedPrior, ...] = ()
    activity: tuple[FittedActivity, ...] = ()


class KnownRates(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The company's exchange rates that hold or will; those they took the place of are in the ledger."""

    quotes: tuple[Quote, ...] = ()


class Note(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a person wrote about an alert. It stays here; on the bus goes its id. `account`: that of the customer's
    accounts whose alert it is about, where it is not his first.
    """

    text: str
    account: str = ""


UNKNOWN = {"state.revision": None}  # no snapshot of profiles has come
# Readers are shown their own customers; an account that nobody answers for costs these indexes nothing.
ACCOUNTS = Head(
    "accounts",
    Account,
    indexes=(
        *(
            Index(((f"state.owners.{who}", 1),), partial={f"state.owners.{who}": {"$exists": True}})
            for who in ("owner_id", "deputy_id")
        ),
        # Whose balance the books have stated, and with whom they do not agree.
        Index((("_id", 1), ("state.stated.as_of", 1)), partial={"state.stated.as_of": {"$exists": True}}),
        Index((("state.stated.key.time", -1),), partial={"state.stated.key.time": {"$exists": True}}),
        Index((("state.stated.out", 1), ("_id", 1)), partial={"state.stated.out": {"$exists": True}}),
        Index((("root", 1), ("_id", 1)), partial=UNKNOWN),
        # Whose money needs exchange rates, and for whom there was none yet.
        Index((("_id", 1), ("state.wants.into", 1)), partial={"state.wants.into": {"$exists": True}}),
        Index((("state.unrated", 1),), partial={"state.unrated": {"$exists": True}}),
    ),
    copied=("name", "revision", "role", "withdrawn"),
    clocked=True,
)
STAFF = Head(
    "staff",
    Colleague,
    indexes=(Index((("state.token_subject", 1),), partial={"state.token_subject": {"$exists": True}}),),
)
PRIORS = Head("priors", KnownPriors)  # its one subject is the model they are of
RATES = Head("rates", KnownRates)  # its one subject is `company`
ITEMS = Part("items", Item, ACCOUNTS, clocked=True)
SETTLEMENTS = Part("settlements", Settlement, ACCOUNTS)
ORDERS = Part("orders", Order, ACCOUNTS)
CREDIT = Part("credit", Credit, ACCOUNTS, clocked=True)
PURCHASES = Part("purchases", Purchase, ACCOUNTS)
# Newer priors find by `latest` whose open deadline they have to solve; who has none costs the indexes nothing.
RHYTHMS = Part(
    "rhythms",
    RhythmCard,
    ACCOUNTS,
    clocked=True,
    indexes=tuple(
        Index(((f"state.{of}.latest", 1),), partial={f"state.{of}.latest": {"$exists": True}})
        for of in ("course", "silence")
    ),
)
ALERTS = Part(
    "alerts",
    Owned,
    ACCOUNTS,
    indexes=(
        Index((("k", 1),), unique=True),
        # Lists of alerts, the newest first: everybody's, and one owner's.
        Index((("state.alert.state", 1), ("state.alert.raised_at", -1), ("k", 1))),
        Index((("state.owner_id", 1), ("state.alert.state", 1), ("state.alert.raised_at", -1), ("k", 1))),
    ),
)
# What fell away when accounts came together or were parted: whoever was told of it can still read how it ended.
FALLEN = Part("fallen", Owned, ACCOUNTS, derived=False, indexes=(Index((("k", 1),)),))
NOTIFICATIONS = Part(
    "notifications",
    Notification,
    ACCOUNTS,
    derived=False,
    indexes=(Index((("state.state", 1), ("state.next_at", 1))), Index((("state.alert_id", 1),))),
)
NOTES = Part("notes", Note, ACCOUNTS, derived=False)
# All that is kept of a customer beside his account.
PARTS = (ITEMS, SETTLEMENTS, ORDERS, CREDIT, PURCHASES, RHYTHMS, ALERTS, FALLEN, NOTIFICATIONS, NOTES)


def invoice_key(company: str | None, invoice_id: str) -> str:
    """The key of an invoice within its customer: legal entity and number."""
    legal = (company or "").replace("%", "%25").replace("/", "%2F")
    return f"{legal}/{invoice_id}"


document_key = invoice_key  # settlements are numbered in the same way
order_key = invoice_key  # and so are orders
purchase_key = invoice_key
