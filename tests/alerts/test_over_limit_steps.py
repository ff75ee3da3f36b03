"""When an alert of receivable_over_limit steps up, and how much has to change before it is said again."""

from __future__ import annotations

import pytest

from contracts.events import alerts
from contracts.money import Money
from tests.alerts.creditkit import Credit
from tests.desk import payloads


def test_the_step_above_the_limit_is_told_once_and_the_step_back_to_nobody_all_as_one_alert() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "80.00")
    assert (one.state, one.reasons) == ("1 notice", ["raised"])
    one.invoice("I2", "30.00")
    assert (one.state, one.reasons) == ("2 warning", ["raised", "stepped_up"])
    one.pay("P1", "15.00")
    assert one.state == "1 notice"
    one.invoice("I3", "15.00")
    assert one.state == "2 warning"
    assert [entry.what for entry in one.only.timeline] == ["raised", "updated", "updated", "updated"]
    (raised, *others) = payloads(one.desk.said, alerts.AlertRaised)
    assert (raised.severity, others, one.reasons) == ("notice", [], ["raised", "stepped_up"])
    assert raised.amounts is not None
    assert {name: money.to_wire()["amount"] for name, money in raised.amounts.items()} == {
        "limit": "100.00", "exposure": "80.00",
    }  # fmt: skip


def test_the_payment_that_lies_unread_beside_the_step_keeps_it_quiet() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "80.00")
    one.invoice("I2", "30.00", look=False)
    assert one.state == "1 notice", "bad news waits until everything is read"
    one.pay("P1", "30.00", "I2", look=False)
    one.wait(3)
    assert (one.state, one.reasons) == ("1 notice", ["raised"])


@pytest.mark.parametrize(
    ("limit", "owed", "more", "said"),
    [
        ("100.00", "105.00", "9.99", []),
        ("100.00", "105.00", "10.00", ["115.00"]),
        ("100.00", "80.00", "9.99", []),
        ("100.00", "80.00", "10.00", ["90.00"]),
        ("0.00", "50.00", "4.99", []),
        ("0.00", "50.00", "5.00", ["55.00"]),
    ],
)
def test_what_is_owed_is_said_again_when_it_has_moved_by_a_tenth_of_the_limit(
    limit: str, owed: str, more: str, said: list[str]
) -> None:
    one = Credit()
    one.limit(limit)
    one.invoice("I1", owed)
    one.invoice("I2", more)
    updates = payloads(one.desk.said, alerts.AlertUpdated)
    assert [update.amounts["exposure"].to_wire()["amount"] for update in updates if update.amounts] == said
    assert one.reasons == ["raised"]


def test_small_changes_add_up_and_another_limit_is_always_said() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "105.00")
    for n in range(9):
        one.invoice(f"S{n}", "1.20")
    assert [update.amounts for update in payloads(one.desk.said, alerts.AlertUpdated)] == [
        {"limit": Money.of("100.00", "CNY"), "exposure": Money.of("115.80", "CNY")}
    ]
    one.limit("101.00")
    assert one.only.figures["limit"] == "101.00"
    one.pay("P1", "115.80")
    assert (one.state, one.only.figures["exposure"]) == ("paid", "0.00"), "how it ended is said to the cent"


def test_an_alert_that_opens_above_the_limit_has_no_step_left_to_tell() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "120.00")
    one.pay("P1", "30.00")
    one.invoice("I2", "30.00")
    assert (one.state, one.reasons) == ("2 warning", ["raised"])
