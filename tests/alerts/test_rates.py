"""Money of another currency against a credit limit: dated rates, from facts to alert to resolution."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from contracts.envelope import Event
from contracts.events import alerts, trade
from contracts.events.settings import RatePublished
from contracts.money import Money
from services.alerts.channels.render import day, money
from services.alerts.channels.render_over_limit import brief_limit, render_limit
from services.alerts.channels.words import LANGUAGES, Language
from services.alerts.folds.rates import COMPANY
from services.alerts.model.facts import FactKey
from services.alerts.model.quotes import counted_in
from services.alerts.model.staff import Colleague
from services.alerts.pipeline.letters.over_limit import letter
from services.alerts.settings import AlertsSettings
from services.alerts.store import ACCOUNTS, CREDIT, RATES, KnownRates
from tests.alerts.creditkit import CUSTOMER, SHANGHAI, Credit
from tests.desk import payloads

NEW_YORK = ZoneInfo("America/New_York")


def owing(dollars: str, limit: str = "100.00", zone: ZoneInfo = SHANGHAI) -> Credit:
    """A customer with a limit in CNY who owes dollars."""
    one = Credit(zone=zone)
    one.limit(limit)
    one.invoice("I1", dollars, currency="USD")
    return one


def counted(one: Credit) -> list[tuple[str, str, list[tuple[str, date]]]]:
    """What the alert says was converted: the amount, its worth, the rates with their days."""
    return [
        (f"{was.amount.amount} {was.amount.currency}", str(was.worth.amount), [(str(q.rate), q.on) for q in was.quotes])
        for was in counted_in(one.only.figures.get("converted", ""))
    ]


BOUNDARIES = [
    ("11.43", "7", "80.01", "1 notice"),
    ("11.42", "7", "79.94", "none"),
    ("14.28", "7", "99.96", "1 notice"),
    ("14.29", "7", "100.03", "2 warning"),
    ("12.50", "8", "100.00", "1 notice"),
    ("10.01", "9.995", "100.05", "2 warning"),  # 100.04995, rounded once to the minor unit
]


@pytest.mark.parametrize(("dollars", "rate", "worth", "state"), BOUNDARIES)
def test_the_limit_is_held_against_what_the_money_is_worth(dollars: str, rate: str, worth: str, state: str) -> None:
    one = owing(dollars)
    assert one.state == "none", "without a rate it is named and not counted"
    one.rate("USD", rate)
    assert one.state == state
    if state != "none":
        assert one.only.figures["exposure"] == worth
        assert counted(one) == [(f"{dollars} USD", worth, [(rate, one.day(0))])]
        assert "not_counted" not in one.only.figures


@pytest.mark.parametrize("first", ["limit", "invoice", "rate"])
def test_it_is_the_same_whichever_of_limit_invoice_and_rate_comes_first(first: str) -> None:
    one = Credit()
    steps = {
        "limit": lambda: one.limit("100.00"),
        "invoice": lambda: one.invoice("I1", "15.00", currency="USD"),
        "rate": lambda: one.rate("USD", "7", bring=False),
    }
    for name in sorted(steps, key=lambda name: (name != first, name)):
        steps[name]()
        one.bring()
    assert one.state == "2 warning"
    assert one.messages == 1


DAYS = [(-1, "2 warning"), (0, "2 warning"), (1, "none")]


@pytest.mark.parametrize("zone", [SHANGHAI, NEW_YORK], ids=str)
@pytest.mark.parametrize(("on", "state"), DAYS)
def test_a_rate_holds_from_its_day_in_the_companys_zone(on: int, state: str, zone: ZoneInfo) -> None:
    one = owing("15.00", zone=zone)
    one.rate("USD", "7", on=on)
    assert one.state == state
    if state == "none":
        midnight = one.rules.midnight(one.day(on))
        one.desk.advance(midnight)
        assert one.state == "none"
        one.desk.advance(midnight + timedelta(milliseconds=1))
        assert one.state == "2 warning"
        assert one.only.opened_on == one.day(on)


LAST = [
    (((-30, "5"), (-1, "6.5"), (1, "9")), "6.5"),  # the last of a day not later than today
    (((-1, "6.5"), (-30, "9")), "6.5"),  # one of an earlier day that comes late changes nothing
    (((0, "9"), (0, "6.5")), "6.5"),  # the later of one day corrects the earlier
]


@pytest.mark.parametrize(("published", "used"), LAST)
def test_the_last_rate_of_a_day_not_later_holds(published: tuple[tuple[int, str], ...], used: str) -> None:
    one = owing("13.00")
    for on, rate in published:
        one.wait_a_second()
        one.rate("USD", rate, on=on, bring=False)
    one.bring()
    assert [rate for _, _, rates in counted(one) for rate, _ in rates] == [used]


WAYS = [
    ([("USD", "7", "CNY")], "700.00", ["USD/CNY"]),
    ([("CNY", "0.125", "USD")], "800.00", ["CNY/USD"]),  # the other way round
    ([("USD", "0.9", "EUR"), ("CNY", "0.125", "EUR")], "720.00", ["USD/EUR", "CNY/EUR"]),  # over a common base
    ([("USD", "7", "CNY"), ("USD", "0.9", "EUR"), ("CNY", "0.125", "EUR")], "700.00", ["USD/CNY"]),
    ([("GBP", "9", "CNY")], None, []),
]


@pytest.mark.parametrize(("rates", "worth", "by"), WAYS)
def test_rates_serve_both_ways_and_over_a_common_base(
    rates: list[tuple[str, str, str]], worth: str | None, by: list[str]
) -> None:
    one = owing("100.00", limit="0.00")
    for currency, rate, base in rates:
        one.rate(currency, rate, base=base)
    if worth is None:
        assert one.alerts == []
        return
    assert one.only.figures["exposure"] == worth
    (said,) = counted_in(one.only.figures["converted"])
    assert [f"{quote.currency}/{quote.base}" for quote in said.quotes] == by


def test_a_later_rate_steps_up_says_the_new_figure_and_resolves_naming_it() -> None:
    one = owing("12.00")
    one.rate("USD", "7")
    assert one.state == "1 notice"
    one.wait(1)
    one.rate("USD", "9", on=1)
    assert one.state == "2 warning"
    assert one.reasons == ["raised", "stepped_up"]
    assert (one.only.figures["exposure"], counted(one)[0][2]) == ("108.00", [("9", one.day(1))])
    one.wait(2)
    one.rate("USD", "6", on=2)
    assert one.state == "rate_changed"
    (event,) = payloads(one.desk.said, alerts.AlertResolved)
    assert event.because is not None
    assert event.because[0].startswith("rapport/alerts:rates/"), "the row of his ledger by which it came"


def test_a_rate_published_ahead_resolves_at_its_midnight_and_is_named() -> None:
    one = owing("12.00")
    one.rate("USD", "7")
    ref = one.rate("USD", "5", on=3)
    assert one.state == "1 notice"
    one.wait(3)
    assert (one.state, one.only.because, one.only.closed_on) == ("rate_changed", (ref,), one.day(3))


def test_a_rate_that_was_wrong_is_corrected_and_the_alert_ends() -> None:
    one = owing("12.00")
    one.rate("USD", "71")
    assert one.state == "2 warning"
    one.wait_a_second()
    one.rate("USD", "6")
    assert one.state == "rate_changed"


def test_a_small_change_of_the_rate_is_not_said() -> None:
    one = owing("12.00")
    one.rate("USD", "7")
    one.desk.said.clear()
    one.wait(1)
    one.rate("USD", "7.1", on=1)
    assert payloads(one.desk.said, alerts.AlertUpdated) == []
    assert one.state == "1 notice"


def test_an_invoice_of_a_known_currency_is_judged_at_once_by_what_lies_on_the_desk() -> None:
    one = owing("5.00")
    one.rate("USD", "7")
    one.invoice("I2", "7.00", currency="USD")
    assert one.state == "1 notice"
    assert not one.bring(), "nothing more was wanted"


def test_open_orders_in_another_currency_count_where_orders_count() -> None:
    one = Credit(orders=True)
    one.limit("100.00")
    one.order("O1", "10.00", "USD")
    one.invoice("I1", "5.00", currency="USD")
    one.rate("USD", "7")
    assert one.state == "2 warning"
    assert one.only.figures["orders"] == "70.00"
    assert counted(one) == [("15.00 USD", "105.00", [("7", one.day(0))])]


def test_credit_in_another_currency_reduces_what_is_owed() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "120.00")
    one.tell(trade.CreditNoteIssued(document_id="N1", dated_on=one.day(0), total=Money.of("10.00", "USD")))
    assert one.state == "2 warning"
    one.rate("USD", "7")
    assert one.state == "rate_changed"


def test_rates_that_are_needed_no_more_leave_the_account_and_come_again() -> None:
    one = owing("12.00")
    one.rate("USD", "7")
    one.tell(trade.InvoiceCancelled(invoice_id="I1", cancelled_on=one.day(0)))
    assert (one.account.wants, one.account.rates, one.account.unrated) == ((), (), ())
    one.invoice("I2", "20.00", currency="USD")
    assert one.account.unrated == ("USD/CNY",)
    assert one.bring()
    assert one.state == "2 warning"


def test_nothing_is_brought_twice_and_nothing_that_nobody_wants() -> None:
    one = owing("12.00")
    one.rate("USD", "7")
    assert not one.bring()
    one.rate("GBP", "9")
    rows = [row["t"] for row in one.desk.rows[CUSTOMER]]
    assert rows.count("rapport.rate.applied.v1") == 1


def test_a_limit_lifted_wants_no_rates() -> None:
    one = owing("12.00")
    one.limit(None)
    assert one.account.wants == ()


def test_a_refold_finds_the_same_alerts_by_the_same_rates_of_the_time() -> None:
    one = owing("12.00")
    one.rate("USD", "7")
    one.wait(1)
    one.rate("USD", "9", on=0)  # late: it was known a day after the one for that day
    one.wait(2)
    one.rate("USD", "6", on=2)
    one.wait(3)
    one.invoice("I2", "9.00", currency="USD")
    before = one.desk.every(CREDIT, CUSTOMER), one.alerts, one.account
    again = one.desk.refold(ACCOUNTS, CUSTOMER)
    assert (again.said, again.changed) == ([], {})
    assert (one.desk.every(CREDIT, CUSTOMER), one.alerts, one.account) == before
    again = one.desk.refold(RATES, COMPANY)
    assert (again.said, again.changed) == ([], {})


def test_a_fact_that_lay_unread_while_rates_of_later_days_came_is_judged_by_these() -> None:
    one = owing("15.00")
    one.rate("USD", "7")
    one.wait(2)
    one.rate("USD", "7.5", on=2)
    one.desk.now = one.noon(1)  # appended then, read only now
    one.invoice("I2", "1.00", currency="USD")
    one.wait(3)
    assert one.state == "2 warning", "the rate of its own day is gone; without any the money would not count"
    assert (one.account.unrated, one.account.rated_on) == ((), one.day(2))
    again = one.desk.refold(ACCOUNTS, CUSTOMER)
    assert (again.said, again.changed) == ([], {})


def test_what_was_loaded_of_the_past_is_told_to_nobody_because_its_rate_came_a_moment_later() -> None:
    one = Credit()
    one.limit("100.00")
    issued = trade.InvoiceIssued(
        invoice_id="I1", issued_on=one.day(-40), due_on=one.day(300), total=Money.of("50.00", "USD")
    )
    event = Event(
        id="old", source="erp", type=issued.TYPE, subject=CUSTOMER, time=one.desk.now, data=issued, history=one.day(5)
    )
    one.desk.take(event)
    one.rate("USD", "7")
    assert one.state == "2 warning"
    assert [(said.reason, said.recipient) for said in payloads(one.desk.said, alerts.NotificationSuppressed)] == [
        ("history", "staff/1")
    ]


def test_accounts_that_come_together_are_judged_by_the_rates_of_both_and_part_as_they_were() -> None:
    one = owing("12.00")
    one.rate("USD", "7")
    beside = trade.InvoiceIssued(
        invoice_id="J1", issued_on=one.day(0), due_on=one.day(300), total=Money.of("2.00", "EUR")
    )
    other = Event(id="j", source="erp", type=beside.TYPE, subject="C-2", time=one.desk.now, data=beside)
    one.desk.take(other)
    before = one.account, one.state
    one.desk.regroup(ACCOUNTS, {CUSTOMER: CUSTOMER, "C-2": CUSTOMER})
    assert one.account.unrated == ("EUR/CNY",)
    one.rate("EUR", "9")
    assert one.state == "2 warning"
    assert one.only.figures["exposure"] == "102.00"
    again = one.desk.refold(ACCOUNTS, CUSTOMER)
    assert (again.said, again.changed) == ([], {})
    one.desk.regroup(ACCOUNTS, {CUSTOMER: CUSTOMER, "C-2": "C-2"})
    one.desk.advance(one.desk.now + timedelta(seconds=1))
    assert (one.account, one.state) == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_way_of_saying_it_names_the_rate_and_its_day(language: Language) -> None:
    one = owing("15.00")
    one.rate("USD", "7.1042", on=-1)
    colleague = Colleague(
        key=FactKey(time=one.desk.now, source="hr", id="1"), name="Ann", mail="a@company.example", language=language
    )
    mail = letter(one.only, (), one.account, colleague, AlertsSettings(), {})
    day_said = day(one.day(-1), language)
    for said in (*render_limit(mail)[1:], brief_limit(mail)[1]):
        assert "1 USD = 7.1042 CNY" in said and day_said in said
        assert money(Money.of("106.56", "CNY"), language) in said


def test_rates_of_no_single_company_are_refused_in_words() -> None:
    one = Credit()
    data = RatePublished(currency="USD", base="CNY", rate=Decimal(7), on=one.day(0))
    one.desk.take(Event(id="r", source="erp", type=data.TYPE, subject=CUSTOMER, time=one.desk.now, data=data))
    (letter,) = one.desk.dead
    assert (letter.reason, letter.field) == ("bad_field", "$.subject")
    assert "expected `company` as subject" in letter.message


def test_the_company_keeps_what_holds_and_what_will() -> None:
    one = Credit()
    for on in range(-40, 3):
        one.rate("USD", "7", on=on)
    known = one.desk.value(RATES, COMPANY) or KnownRates()
    assert [quote.on for quote in known.quotes] == [one.day(0), one.day(1), one.day(2)]
