"""An id is nobody's phone number, mail address or identity number; and a long number is an id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.identifiers import check_id, fits, personal, plainly_fine

PHONES = [
    *("13800138000", "138-0013-8000", "138 0013 8000", "+8613800138000", "8613800138000", "008613800138000"),
    *("+44 20 7946 0958", "+1 (202) 555-0143", "tel:13800138000", "staff/13912345678", "unit/a/+4915112345678"),
]
IDENTITIES = ["11010519491231002X", "11010519491231002x", "110105491231002", "staff/11010519491231002X"]
ORDINARY = [
    *("20260001234", "10000000001", "12345678901", "12012345678", "0000012345", "4500012345", "000000000123456789"),
    *("INV-13800138000", "C13800138000", "138001380001", "1380013800", "2026-11-20-0001", "110105194912310021"),
    *("11010519491331002X", "990105491231002", "110105491331002", "202611220000123", "+1", "客户-100234", "客户100"),
    *("unit/sales", "territory/east-3", "a" * 128, "https://erp.example/inv/20260001234"),
]


@pytest.mark.parametrize("text", PHONES)
def test_a_phone_number_is_seen(text: str) -> None:
    assert personal(text) == "a phone number"
    assert plainly_fine(text) is None


@pytest.mark.parametrize("text", IDENTITIES)
def test_an_identity_number_is_seen(text: str) -> None:
    assert personal(text) == "a personal identity number"
    assert plainly_fine(text) is None


@pytest.mark.parametrize("text", ["li@mail.example", "staff/li@mail.example", "@li"])
def test_a_mail_address_is_seen(text: str) -> None:
    assert personal(text) == "an e-mail address"
    assert plainly_fine(text) is None


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_number_of_an_account_or_document_passes(text: str) -> None:
    assert personal(text) is None
    check_id(text, "$", "id")


@given(st.integers(10**9, 10**17).map(str))
def test_hardly_a_plain_number_is_taken_for_a_persons(number: str) -> None:
    if personal(number) is not None:
        phone = len(number) == 11 and number[0] == "1" and number[1] in "3456789"
        assert phone or len(number) in (13, 15, 18)


@given(st.text(max_size=140))
def test_the_quick_way_lets_nothing_through_that_the_thorough_one_stops(text: str) -> None:
    if plainly_fine(text) is not None:
        assert fits(text)
        assert personal(text) is None


@pytest.mark.parametrize("text", ["", " a", "a ", "a\n", "a\tb", "a\x7f", "\x00", "a" * 129, "\u3000a"])
def test_what_cannot_be_told_apart_by_eye_is_no_id(text: str) -> None:
    assert not fits(text)


@pytest.mark.parametrize("text", ["a b", "a\u3000b", "订单 7", "é"])
def test_blanks_inside_and_other_scripts_are_taken(text: str) -> None:
    assert fits(text)
