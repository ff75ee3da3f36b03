"""The demo's books: real purchases, made payments, the same every time, and the same in events and in files."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from contracts.envelope import Event, decode, encode
from contracts.events import customers, staff, trade
from contracts.events.sales import PurchaseMade
from contracts.registry import topic_of
from deploy.demo.books import CRM, DAY_ENDS, ERP, FOLLOWED, HR, SHOP, Books, Day, events_of
from deploy.demo.courses import SHARES, Course, course_of, invoice_for
from deploy.demo.data import DemoDataError, purchases
from deploy.demo.files import FinalBooks, final_books
from deploy.demo.limits import limits_of
from deploy.demo.people import MADE
from services.alerts.model.ageing import age
from services.alerts.plain.books import open_books
from services.alerts.plain.purchases import days_by_customer, read_purchases
from services.alerts.plain.sources import read_sources

CUSTOMERS = 600


@pytest.fixture(scope="module")
def books() -> Books:
    return Books(seed=7, customers=CUSTOMERS)


@pytest.fixture(scope="module")
def days(books: Books) -> list[Day]:
    return list(books.days())


@pytest.fixture(scope="module")
def events(days: list[Day]) -> list[Event]:
    return list(events_of(days))


@pytest.fixture(scope="module")
def final(events: list[Event]) -> FinalBooks:
    return final_books(events)


def test_the_purchases_are_all_of_cdnow() -> None:
    everything = Books()
    assert (everything.customers, len(everything.purchases)) == (23_570, 69_659)
    assert sum((purchase.amount for purchase in everything.purchases), Decimal(0)) == Decimal("2500315.63")
    assert (everything.first_day, everything.last_day) == (date(1996, 12, 31), date(1998, 6, 30))
    assert everything.given_away == 80 and len(everything.invoiced) == 69_579


def test_every_purchase_with_a_price_is_invoiced_at_thirty_days_net(books: Books, events: list[Event]) -> None:
    issued = [event for event in events if type(event.data) is trade.InvoiceIssued]
    assert len(issued) == len(books.invoiced)
    bought = Counter((f"C{one.customer}", one.bought_on, one.amount) for one in books.invoiced)
    said: Counter[tuple[str, date, Decimal]] = Counter()
    for event in issued:
        assert isinstance(event.data, trade.InvoiceIssued)
        assert event.data.due_on - event.data.issued_on == timedelta(days=30)
        assert event.data.total.currency == "USD"
        said[event.subject, event.data.issued_on, event.data.total.amount] += 1
    assert said == bought
    assert len({event.data.invoice_id for event in issued if isinstance(event.data, trade.InvoiceIssued)}) == len(
        issued
    )


def test_the_same_seed_gives_the_same_books_and_another_one_others(days: list[Day]) -> None:
    assert list(Books(seed=7, customers=CUSTOMERS).days()) == days
    assert list(Books(seed=8, customers=CUSTOMERS).days()) != days


def test_a_customer_has_the_same_books_whoever_else_is_there(events: list[Event]) -> None:
    fewer = Books(seed=7, customers=CUSTOMERS // 10)
    some = {f"C{purchase.customer}" for purchase in fewer.purchases}
    assert len(some) == CUSTOMERS // 10
    by_customer: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_customer[event.subject].append(event)
    again: dict[str, list[Event]] = defaultdict(list)
    for event in events_of(fewer.days()):
        again[event.subject].append(event)
    shared = some & by_customer.keys()
    assert len(shared) == len(some)
    assert all(again[customer] == by_customer[customer] for customer in shared)


def test_every_event_is_one_that_the_services_take(days: list[Day]) -> None:
    for day in days:
        for event in (*day.events, day.watermark):
            record = encode(event)
            assert decode(record.value, record.headers, record.key) == event
            assert topic_of(event.type) in {"rapport.trade", "rapport.customers", "rapport.staff"}


def test_no_two_events_share_an_id(days: list[Day]) -> None:
    ids = Counter((event.source, event.id) for day in days for event in (*day.events, day.watermark))
    assert [key for key, times in ids.items() if times > 1] == []
    assert {source for source, _ in ids} == {ERP, CRM, HR, SHOP}


def test_days_follow_one_another_and_each_ends_with_its_watermark(books: Books, days: list[Day]) -> None:
    assert [day.date for day in days] == [books.first_day + timedelta(days=n) for n in range(len(days))]
    assert days[-1].date == books.last_day
    for day in days:
        times = [event.time for event in day.events]
        assert times == sorted(times)
        assert all(time.date() == day.date and 8 <= time.hour < 18 for time in times)
        assert isinstance(day.watermark.data, trade.SourceCompleted)
        assert day.watermark.data.source == ERP
        assert day.watermark.data.up_to == day.watermark.time
        assert day.watermark.time.date() == day.date and all(time < day.watermark.time for time in times)
    assert all(before.watermark.time < after.watermark.time for before, after in pairwise(days))


def test_the_companys_zone_can_be_another() -> None:
    there = next(iter(Books(customers=1, zone=ZoneInfo("Europe/Berlin")).days()))
    assert there.watermark.time == datetime(1996, 12, 31, 22, 59, 59, tzinfo=UTC)


def test_everyone_is_known_before_anything_is_said_of_him(events: list[Event]) -> None:
    hired: set[str] = set()
    owned: set[str] = set()
    for event in events:
        data = event.data
        if isinstance(data, staff.StaffRegistered):
            assert data.supervisor is None or data.supervisor in hired
            hired.add(event.subject)
        elif isinstance(data, customers.CustomerRegistered):
            assert event.subject not in owned
        elif isinstance(data, customers.OwnerAssigned):
            assert data.owner_id in hired and data.since == event.time.date()
            owned.add(event.subject)
        else:
            assert event.subject in owned


def test_people_are_made_and_say_so(events: list[Event]) -> None:
    people = [event.data for event in events if isinstance(event.data, staff.StaffRegistered)]
    managers = [one for one in people if one.supervisor]
    assert (len(managers), len(people)) == (20, 24)
    assert len({one.mail for one in people}) == 24 and all((one.mail or "").endswith("@example.test") for one in people)
    assert Counter(one.language for one in managers) == {"zh-CN": 10, "en": 10}
    register = [event.data for event in events if isinstance(event.data, customers.CustomerRegistered)]
    assert len(register) == CUSTOMERS
    languages = Counter(one.language for one in register)
    assert 0.4 < languages["en"] / CUSTOMERS < 0.6 and languages.total() == CUSTOMERS
    assert all(one.name.endswith(MADE["zh-CN"] if one.language == "zh-CN" else MADE["en"]) for one in register)
    owners = Counter(event.data.owner_id for event in events if isinstance(event.data, customers.OwnerAssigned))
    assert len(owners) == 20 and max(owners.values()) < 3 * CUSTOMERS / 20


def test_every_kind_of_document_occurs(events: list[Event]) -> None:
    kinds = Counter(event.type for event in events if event.source == ERP)
    expected: set[type[trade.TradeFact]] = {
        trade.InvoiceIssued, trade.InvoiceCorrected, trade.InvoiceCancelled, trade.InvoiceDisputed,
        trade.PaymentReceived, trade.PaymentApplied, trade.PaymentReversed, trade.CreditNoteIssued,
        trade.DebtWrittenOff,
    }  # fmt: skip
    assert kinds.keys() == {kind.TYPE for kind in expected}
    payments = [event.data for event in events if isinstance(event.data, trade.PaymentReceived)]
    assert any(payment.applied_to is None for payment in payments)
    assert any(len(payment.applied_to or ()) > 1 for payment in payments)


def test_the_shop_sends_the_purchases_of_one_customer_in_three_all_of_them_on_their_day(
    books: Books, events: list[Event]
) -> None:
    made = [(event, event.data) for event in events if isinstance(event.data, PurchaseMade)]
    chosen = {event.subject for event, _ in made}
    assert 0.8 < len(chosen) * FOLLOWED / CUSTOMERS < 1.2
    bought = Counter((f"C{one.customer}", one.bought_on, one.amount) for one in books.purchases)
    assert Counter((event.subject, data.purchased_on, data.total.amount) for event, data in made) == Counter(
        {key: count for key, count in bought.items() if key[0] in chosen}
    )
    assert all(event.time.date() == data.purchased_on for event, data in made)


def test_limits_are_of_every_kind_and_some_are_passed() -> None:
    said = Counter[str]()
    for customer in range(5000):
        for nth, one in enumerate(limits_of(7, f"{customer:05}", date(1997, 1, 1), Decimal("60.00"))):
            limit = one.data.limit
            kind = "not checked" if limit is None else "raised" if nth else f"{limit.amount}"
            said[kind] += 1
            assert one.data.valid_from == one.day >= date(1997, 1, 1)
    assert said.keys() == {"not checked", "raised", "0.00", "50.00", "70.00", "90.00", "150.00"}
    assert 0.05 < (said.total() - said["raised"]) / 5000 < 0.12, "most have none"


def test_each_manager_has_one_digest_a_week_the_last_of_them_after_all_is_said(
    books: Books, events: list[Event]
) -> None:
    cards = [event.data for event in events if isinstance(event.data, staff.StaffRegistered)]
    for card in cards:
        assert card.digest is not None and card.digest.days == [books.last_day.isoweekday()]
        at = card.digest.at or card.hours[0].start if card.hours else ""
        moment = datetime.combine(books.last_day, time.fromisoformat(at), ZoneInfo(card.zone or ""))
        assert max(event.time for event in events) < moment < datetime.combine(books.last_day, DAY_ENDS, books.zone)


def test_most_pay_in_time_and_some_are_late(books: Books) -> None:
    assert sum(SHARES.values()) == 1000
    late = 0
    singles = books.invoiced
    for purchase in singles:
        steps = course_of([invoice_for(7, purchase)])
        due = purchase.bought_on + timedelta(days=30)
        late += any(isinstance(step.data, trade.PaymentReceived) and step.day > due for step in steps)
    assert 0.1 < late / len(singles) < 0.35


@pytest.mark.parametrize("course", SHARES, ids=lambda course: str(course.__name__))
def test_in_every_course_what_follows_comes_later(course: Course, books: Books) -> None:
    for purchase in books.purchases[:300]:
        steps = course(invoice_for(7, purchase)) if purchase.amount else []
        assert all(step.day > purchase.bought_on for step in steps)
        day = {step.id.rpartition("/")[2] + step.id.rpartition("/")[0][-1]: step.day for step in steps}
        for earlier, later in (("disputed", "settled"), ("received", "applied"), ("received", "reversed")):
            for key, moment in day.items():
                if key.startswith(later):
                    assert day[earlier + key.removeprefix(later)] < moment
        if any(key.startswith("corrected") for key in day):
            assert steps[0].day < min(step.day for step in steps[1:])


def test_no_invoice_is_paid_beyond_its_total_and_no_cent_is_lost(events: list[Event], final: FinalBooks) -> None:
    """An account of the test's own, event by event: what came in is on invoices or on account, or went back."""
    total: dict[str, Decimal] = {}
    on_invoice: dict[str, Decimal] = defaultdict(Decimal)
    document: dict[str, tuple[Decimal, dict[str, Decimal]]] = {}
    disputed: set[str] = set()
    for event in events:
        data = event.data
        if isinstance(data, trade.InvoiceIssued):
            total[data.invoice_id] = data.total.amount
            assert data.total.amount > 0
        elif isinstance(data, trade.InvoiceCancelled):
            assert not on_invoice[data.invoice_id]
            total[data.invoice_id] = Decimal(0)
        elif isinstance(data, trade.InvoiceDisputed):
            (disputed.add if data.disputed else disputed.remove)(data.invoice_id)
        elif isinstance(data, trade.Settlement):
            document[data.document_id] = (data.total.amount, {})
        elif isinstance(data, trade.PaymentReversed):
            for invoice, amount in document.pop(data.document_id)[1].items():
                on_invoice[invoice] -= amount
        for part in _applied(data):
            document[_document(data)][1][part.invoice_id] = part.amount.value
            on_invoice[part.invoice_id] += part.amount.value
            assert on_invoice[part.invoice_id] <= total[part.invoice_id]
    assert all(sum(parts.values(), Decimal(0)) <= came for came, parts in document.values())
    left = {invoice: amount - on_invoice[invoice] for invoice, amount in total.items()}
    assert final.open_amounts() == {invoice: amount for invoice, amount in left.items() if amount}
    assert {invoice for invoice, stands in final.disputed.items() if stands} == disputed


def _applied(data: object) -> list[trade.AppliedTo]:
    return data.applied_to or [] if isinstance(data, trade.Settlement | trade.PaymentApplied) else []


def _document(data: object) -> str:
    assert isinstance(data, trade.Settlement | trade.PaymentApplied)
    return data.document_id


def test_the_files_say_what_the_events_came_to(books: Books, final: FinalBooks, tmp_path: Path) -> None:
    files = final.write(tmp_path)
    sources = read_sources(files.invoices, files.settlements, files.limits)
    read = open_books(sources)
    assert read.notes == []
    aged = age(read.items, read.settlements, books.last_day, sources.limits)
    assert {row.invoice: row.open for row in aged.open_items} == final.open_amounts()
    disputed = {row.key[2] for row in sources.invoices.values() if row.disputed}
    overdue = {row.invoice for row in aged.open_items if row.days_past_due > 0} - disputed
    assert overdue == final.overdue(books.last_day)
    assert overdue and disputed and len(overdue) < len(final.open_amounts())
    came = sum((data.total.amount for _, data, _ in final.settlements.values()), Decimal(0))
    used = sum((one.amount.value for _, _, parts in final.settlements.values() for one in parts), Decimal(0))
    assert sum((row.unapplied_credit for row in aged.ageing), Decimal(0)) == came - used > 0
    assert {row.customer for row in aged.exposure if row.limit is not None} <= final.limits.keys()
    assert sum(len(days) for days in days_by_customer(read_purchases(files.purchases), books.last_day).values()) == len(
        {(customer, data.purchased_on) for customer, data in final.purchases}
    )


def test_grace_days_leave_the_fresh_ones_out(books: Books, final: FinalBooks) -> None:
    with_grace = final.overdue(books.last_day, grace_days=10)
    assert with_grace < final.overdue(books.last_day)


def test_missing_or_other_data_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DemoDataError, match="install the demo's data"):
        purchases(tmp_path / "none.txt")
    other = tmp_path / "other.txt"
    other.write_text("id day\n1 2\n")
    with pytest.raises(DemoDataError, match="install the pinned version"):
        purchases(other)
    other.write_text(" customer_id  date number_of_cds  dollar_value\n 00001 19970132 1 11.77\n")
    with pytest.raises(DemoDataError, match="line 2 of the purchases"):
        purchases(other)
