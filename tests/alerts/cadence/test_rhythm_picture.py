"""The small picture of the rhythm."""

from __future__ import annotations

import pytest

from services.alerts.channels.rhythm_picture import png
from services.alerts.channels.words import Language
from tests.alerts.cadence.cadencekit import day, days_of

DAYS = days_of([10, 11, 9, 10])
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_it_is_a_small_png_and_the_same_for_the_same_days(language: Language) -> None:
    picture = png(DAYS, None, day(58), language)
    assert picture.startswith(PNG)
    assert len(picture) < 40_000, "it travels in every mail"
    assert picture == png([*reversed(DAYS), DAYS[0]], None, day(58), language)


def test_it_shows_the_day_of_warning_before_it_has_come_and_purchases_after_it() -> None:
    pictures = {
        png(DAYS, None, None, "en"),
        png(DAYS, day(58), None, "en"),
        png(DAYS, day(58), day(58), "en"),
        png([*DAYS, day(70)], day(58), day(58), "en"),
        png(DAYS[:1], None, None, "en"),
    }
    assert len(pictures) == 5


def test_without_a_purchase_there_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="expected one at least"):
        png([], None, None, "en")
