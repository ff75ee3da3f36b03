"""What a message about a likely loss says, in both languages and in both of a mail's parts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from contracts.events.sales import OrderClosed, OrderPlaced
from contracts.money import Money
from services.alerts.channels.render import EventBehind, day, money, percent
from services.alerts.channels.render_churn import ChurnMail, brief_churn, pictures, render_churn, said_signals
from services.alerts.channels.words import LANGUAGES, Language, say, say_number
from services.alerts.model.account import Account
from services.alerts.model.facts import FactKey
from services.alerts.model.rules import churn_risk
from services.alerts.model.signals import Signal, Trade, of_churn, signals
from services.alerts.model.staff import Colleague
from services.alerts.pipeline.letters import LETTERS
from services.alerts.pipeline.letters.churn import letter
from services.alerts.settings import AlertsSettings
from services.alerts.store import ORDERS, PURCHASES
from tests.alerts.cadence.cadencekit import day as numbered
from tests.alerts.cadence.rhythmkit import Customer, returned, yuan
from tests.alerts.cadence.test_cadence_told import REGULAR
from tests.alerts.cadence.test_churn_risk_alerts import LOST, SELDOM, STEP, ends, known
from tests.alerts.letterkit import BUYING, HEADING, HOSTILE, ROLES, numbers, seen

ALL_SIGNALS = (
    Signal("stop", 40, date(2026, 4, 11), usual="24.5"),
    Signal("longest_gap", 31, date(2026, 2, 12)),
    Signal("falling_amounts", 3, date(2026, 3, 2), (Money.of("120.00", "CNY"),), Money.of("900.00", "CNY")),
    Signal("cancelled_orders", 2, date(2026, 9, 1), (Money.of("70.00", "CNY"), Money.of("30.00", "USD"))),
    Signal("returns", 1, date(2026, 9, 2), (Money.of("11.00", "CNY"),)),
    Signal("disputes", 1, date(2026, 9, 3), (Money.of("12.00", "CNY"),)),
    Signal("overdue", 4, date(2026, 4, 1), (Money.of("1300.00", "CNY"),)),
)
COLLEAGUE = Colleague(
    key=FactKey(time=datetime(2024, 1, 1, tzinfo=UTC), source="hr", id="1"),
    name="Ann Lee",
    mail="ann@company.example",
    language="en",
)


def given(language: Language = "en", **changes: object) -> ChurnMail:
    mail = ChurnMail(
        language=language,
        **HEADING,
        role="intermediary",
        last_purchase=date(2026, 3, 2),
        lost_since=date(2026, 11, 5),
        p_none=Decimal("0.904"),
        expected="0.13",
        horizon_days=91,
        threshold=Decimal("0.9"),
        least_purchases=3,
        signals=ALL_SIGNALS,
        days=(date(2026, 1, 12), date(2026, 2, 12), date(2026, 3, 2)),
        events=(EventBehind(id="e-1", source="shop/x", name="purchase.made"),),
    )
    return msgspec.structs.replace(mail, **changes)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("step", [False, True])
@pytest.mark.parametrize("role", ROLES)
def test_text_and_html_say_the_same_to_everybody(language: Language, step: bool, role: str) -> None:
    mail = given(language, step=step, role=role)
    subject, text, html = render_churn(mail)
    buying, rich = BUYING[language, role], seen(html)
    figures = [
        *brief_churn(mail)[1].split("\n"),
        "Harbour Trading",
        "C00042",
        "e-1",
        "shop/x",
        "churn_risk",
        "0b9f6c0e",
    ]
    figures += [percent(Decimal("0.904"), language), percent(Decimal("0.9"), language), "0.13"]
    figures += [say_number(language, "days", 248), *(say_number(language, "rhythm.later", gap) for gap in (31, 18))]
    figures += [day(one, language) for one in (*mail.days, mail.lost_since)]
    figures += [line.rstrip() for line in said_signals(ALL_SIGNALS, buying, language)]
    figures += [money(one, language) for signal in ALL_SIGNALS for one in signal.amounts]
    figures += [day(signal.day, language) for signal in ALL_SIGNALS if signal.day is not None]
    figures += [say(language, "churn.todo.offer", buying=buying), say(language, "owner")]
    for figure in figures:
        assert figure in text
        assert figure in rich
    said = say(
        language,
        "churn.step",
        alert=say(language, f"rhythm.alert.{'dealer' if role == 'intermediary' else 'consumer'}"),
    )
    assert (said in text, said in rich) == (step, step)
    assert numbers(rich) <= numbers(text)
    others = {word for (spoken, _), word in BUYING.items() if spoken == language} - {buying}
    assert buying in subject and not any(word in subject for word in others)
    assert f'<html lang="{language}">' in html
    assert 'src="cid:rhythm"' in html and pictures(mail)[0].png.startswith(b"\x89PNG")


def test_the_subject_says_who_how_long_and_how_likely() -> None:
    assert render_churn(given())[0] == (
        "Likely lost: Harbour Trading, no order for 248 days, and 90.4% likely none in the next 91"
    )
    assert render_churn(given("zh-CN", role="consumer"))[0] == (
        "客户流失预警：Harbour Trading，已 248 天没有购买，今后 91 天内不再购买的概率为 90.4%"
    )


def test_a_name_can_neither_break_the_mail_nor_bring_markup() -> None:
    subject, text, html = render_churn(given(customer_name=HOSTILE, receiver_name=HOSTILE))
    assert "\n" not in subject and "\r" not in subject
    assert "Bcc: eve@example.test" not in text.splitlines()
    assert "<script>" not in html and "<img src=x>" not in html


def lost(customer: Customer, on: int) -> ChurnMail:
    """The letter about the one alert a customer has, with all that is known of him."""
    ends(customer, numbered(on))
    (alert,) = [*customer.of(churn_risk.RULE), *customer.alerts]
    assert of_churn(alert)
    orders = list(customer.desk.every(ORDERS, customer.subject).values())
    purchases = list(customer.desk.every(PURCHASES, customer.subject).values())
    done = Trade(customer.card.course, orders, purchases)
    settings = AlertsSettings(alerts_churn_horizon_days=91)
    mail = letter(alert, done, Account(name="华东示例公司"), COLLEAGUE, settings)
    assert tuple(signals(alert, done)) == mail.signals
    return mail


def test_the_letter_has_the_days_and_the_signals_of_the_half_year_before() -> None:
    one = known(gaps=SELDOM)
    at = one.at(numbered(60))
    one.desk.take(
        one.shop.event(OrderPlaced(order_id="O1", ordered_on=numbered(55), total=yuan(50)), one.subject, at),
        one.shop.event(OrderClosed(order_id="O1", reason="cancelled", closed_on=numbered(58)), one.subject, at),
        one.shop.event(returned("R1", f"P-{numbered(50)}", numbered(59), 10), one.subject, at),
        at=at,
    )
    mail = lost(one, LOST)
    assert (mail.step, mail.last_purchase, mail.lost_since) == (False, numbered(50), numbered(LOST))
    assert mail.days == (numbered(0), numbered(20), numbered(50))
    assert mail.signals == (
        Signal("longest_gap", 30, numbered(50)),
        Signal("cancelled_orders", 1, numbered(58), (yuan(50),)),
        Signal("returns", 1, numbered(59), (yuan(10),)),
    )
    assert mail.silent_days == LOST - 50


def test_a_step_up_is_told_by_the_same_letter_with_the_slowing_among_the_signals() -> None:
    one = known(gaps=REGULAR)
    mail = lost(one, STEP)
    raised = one.alerts[0].opened_on
    silent = (raised - mail.last_purchase).days
    assert (mail.step, mail.signals) == (True, (Signal("stop", silent, raised, usual="10.0"), mail.signals[1]))
    assert mail.signals[1][:2] == ("longest_gap", 10)
    assert mail.lost_since == numbered(STEP)
    assert "This is no new alert but a step up" in render_churn(mail)[1]


def test_every_rule_that_is_told_of_has_a_letter() -> None:
    assert churn_risk.RULE in LETTERS
    assert timedelta(days=LOST - 50) > timedelta(days=60)
