"""What profiles says because of a load of the past carries its mark on, so that its readers know it too."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from contracts.envelope import Event
from contracts.events.customers import CreditLimitSet
from contracts.events.lifecycle import LimitChanged
from contracts.money import Money
from services.profiles.handlers import profiles_service
from services.profiles.model.facts import CompanyDays
from tests.desk import TestDesk, moment

NOW = moment("2026-11-02T09:00:00+08:00")


def test_a_limit_of_the_past_becomes_a_limit_of_the_past() -> None:
    desk = TestDesk(profiles_service(CompanyDays(ZoneInfo("Asia/Shanghai"))), NOW)
    for number, history in (("1", date(2026, 11, 1)), ("2", None)):
        data = CreditLimitSet(limit=Money(Decimal(number), "CNY"), valid_from=date(2026, 1, int(number)))
        desk.take(Event(id=number, source="crm", type=data.TYPE, subject="C-1", time=NOW, data=data, history=history))
    said = [event.history for event in desk.said if isinstance(event.data, LimitChanged)]
    assert said == [date(2026, 11, 1), None]
