"""The alerts service's folds over made histories: a refold changes nothing, money is conserved, nobody hears twice."""

from __future__ import annotations

from hypothesis import given, settings

from services.alerts.store import ACCOUNTS, ITEMS, NOTIFICATIONS, SETTLEMENTS
from tests.alerts.refoldkit import CUSTOMER, Story, stories, told


@settings(max_examples=200, deadline=None)
@given(stories(lazy=False))
def test_a_refold_changes_nothing_and_says_nothing(story: Story) -> None:
    desk = told(story).desk
    for _ in range(2):
        again = desk.refold(ACCOUNTS, CUSTOMER)
        assert again.said == []
        assert again.changed == {}
