"""What a cell of somebody's file says: amounts, dates, flags and words as people and their programs write them.

Every reader takes the text of a cell and raises Refused `bad_cell`, whose message says what was expected there. Nothing
is guessed: what could mean two things is refused. Amounts stay decimal texts from the file to the wire.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from contracts.money import CURRENCIES
from contracts.refusal import Refused

Mark = Literal["point", "comma"]
LONGEST: Final = 200  # characters; patterns are never tried on more
SERIALS: Final = range(20_000, 80_000)  # days of a spreadsheet that lie between 1954 and 2119
_EPOCH: Final = date(1899, 12, 30)  # day 0 of Excel's serials from March 1900 on (it counts a 29 February 1900)
_EPOCH_1904: Final = date(1904, 1, 1)  # and of workbooks that began on a Macintosh

_year_first = re.compile(r"([0-9]{4})\s?[-/.年]\s?([0-9]{1,2})\s?[-/.月]\s?([0-9]{1,2})\s?日?(?:[T ].*)?").fullmatch
_day_first = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})(?:[T ].*)?").fullmatch
_packed = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})").fullmatch
_serial = re.compile(r"([0-9]{5})(?:\.[0-9]+)?").fullmatch
_slashed = re.compile(r"[0-9]{1,2}[/-][0-9]{1,2}[/-][0-9]{2,4}").match
_shortened = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]+").fullmatch
_numeral = re.compile(r"[0-9][0-9.,]*|[.,][0-9]+").fullmatch
_POINT: Final = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?").fullmatch
_COMMA: Final = re.compile(r"(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)?(?:,[0-9]*)?").fullmatch
_bare = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?").fullmatch
_gap = re.compile(r"(?<=[0-9])['’ ](?=[0-9]{3}(?![0-9]))").sub
_code_at_ends = re.compile(r"(?:([A-Za-z]{3})\s*)?(.*?)(?:\s*([A-Za-z]{3}))?").fullmatch

_YES: Final = frozenset({"true", "yes", "y", "1", "是", "有", "√", "对", "已"})
_NO: Final = frozenset({"", "false", "no", "n", "0", "否", "无", "×", "x", "-", "未"})
_NAMES: Final[Mapping[str, str]] = {
    "rmb": "CNY", "人民币": "CNY", "人民币元": "CNY", "元": "CNY", "cny": "CNY",
    "美元": "USD", "美金": "USD", "欧元": "EUR", "€": "EUR", "英镑": "GBP", "£": "GBP", "日元": "JPY", "日圆": "JPY",
    "港币": "HKD", "港元": "HKD", "新台币": "TWD", "台币": "TWD", "澳门元": "MOP", "韩元": "KRW", "澳元": "AUD",
    "加元": "CAD", "新加坡元": "SGD", "瑞士法郎": "CHF", "卢布": "RUB", "泰铢": "THB",
}  # fmt: skip
# What a sign before an amount can stand for; None: for many currencies, and only not for those with a sign of their
# own.
_SIGNS: Final[Mapping[str, frozenset[str] | None]] = {
    "¥": frozenset({"CNY", "JPY"}),
    "元": frozenset({"CNY"}),
    "€": frozenset({"EUR"}),
    "£": frozenset({"GBP"}),
    "$": None,
}
_NOT_DOLLARS: Final = frozenset({"CNY", "JPY", "EUR", "GBP"})


class Amount(NamedTuple):
    """An amount with a point and the decimals it came with, and the currencies that the cell itself allows; None where
    it does not say.
    """

    text: str
    currencies: frozenset[str] | None


def plain(text: str) -> str:
    """A cell without blanks around it, with full-width digits, signs and letters as their narrow ones (NFKC).

    Raises Refused where it is far longer than anything that is read here.
    """
    if len(text) > LONGEST:
        raise bad(text, f"a short cell, of at most {LONGEST} characters")
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFKC", text).strip()


def bad(text: str, expected: str) -> Refused:
    """The verdict on a cell."""
    return Refused("bad_cell", f"{text[:40]!r} is not right here; expected {expected}")


def identifier(text: str) -> str:
    """An id or name, as it stands. Raises Refused where a spreadsheet has shortened a long number."""
    shown = text.strip()
    if ("E" in shown or "e" in shown) and len(shown) < LONGEST and _shortened(shown) is not None:
        raise bad(shown, "the whole number; a spreadsheet has shortened it (make the column text before saving)")
    return shown


@lru_cache(maxsize=10_000)  # the days of a file are few, and its rows many
def day(text: str, epoch_1904: bool = False) -> str:
    """A date as ISO 8601 writes it: from 2026-01-31, 2026/1/31, 2026.1.31, 2026年1月31日, 20260131 and 31.1.2026, each
    with or without a time behind it, and from a spreadsheet's serial number.
    """
    shown = plain(text)
    if (found := _year_first(shown)) is not None or (found := _packed(shown)) is not None:
        parts = (int(found[1]), int(found[2]), int(found[3]))
    elif (found := _day_first(shown)) is not None:
        parts = (int(found[3]), int(found[2]), int(found[1]))
    elif (found := _serial(shown)) is not None and int(found[1]) in SERIALS:
        return ((_EPOCH_1904 if epoch_1904 else _EPOCH) + timedelta(days=int(found[1]))).isoformat()
    elif _slashed(shown) is not None:
        raise bad(shown, "a date with the year first such as 2026-01-31 (day and month could be mixed up)")
    else:
        raise bad(shown, "a date such as 2026-01-31")
    try:
        return date(*parts).isoformat()
    except ValueError:
        raise bad(shown, "a day that exists in the calendar") from None


def flag(text: str) -> bool:
    """Yes or no, in English or Chinese; empty is no."""
    if not text:
        return False  # most are such
    shown = plain(text).lower()
    if shown not in _YES and shown not in _NO:
        raise bad(shown, "yes or no (是 or 否, true or false)")
    return shown in _YES


@lru_cache(maxsize=1_000)
def currency(text: str) -> str:
    """An ISO 4217 code, from the code or the usual names in Chinese."""
    shown = plain(text)
    code = _NAMES.get(shown.lower(), shown.upper())
    if code not in CURRENCIES:
        raise bad(shown, "a currency in use, as its ISO 4217 code such as CNY")
    return code


def word(text: str, words: Mapping[str, str]) -> str:
    """One of the words a contract has, from it or from what `words` translates to it."""
    shown = plain(text).lower().replace(" ", "_").replace("-", "_")
    found = words.get(shown)
    if found is None:
        raise bad(text.strip(), "one of " + ", ".join(dict.fromkeys(words.values())))
    return found


def amount(text: str, mark: Mark) -> Amount:
    """An amount whose decimals are set off by `mark`, with or without thousands separators and a currency's sign or
    code. Below zero with a minus in front or behind, or in brackets.
    """
    if mark == "point" and len(text) < LONGEST and _bare(text) is not None:
        return Amount(text, None)  # most are such
    shown = plain(text)
    negative, bare = _unsigned(shown)
    bare, currencies = _without_currency(shown, bare)
    inner, bare = _unsigned(bare)  # the minus may stand on either side of the sign: -¥5, ¥-5
    bare = _gap("", bare.replace("\u202f", " ").replace("\xa0", " "))
    fits = (_POINT if mark == "point" else _COMMA)(bare)
    if fits is None or not any(char.isdigit() for char in bare):
        decimals = "12.50" if mark == "point" else "12,50"
        raise bad(shown, f"an amount such as {decimals} (decimals in this file are set off by a {mark})")
    thousands, decimal = (",", ".") if mark == "point" else (".", ",")
    whole, _, rest = bare.replace(thousands, "").partition(decimal)
    value = (whole.lstrip("0") or "0") + (f".{rest}" if rest else "")
    below = negative != inner and value.strip("0.") != ""
    return Amount("-" + value if below else value, currencies)


def _unsigned(text: str) -> tuple[bool, str]:
    for minus in ("-", "−", "–"):
        if text.startswith(minus):
            return True, text[1:].strip()
        if text.endswith(minus):
            return True, text[:-1].strip()
    if text.startswith("(") and text.endswith(")"):
        return True, text[1:-1].strip()
    return False, text.removeprefix("+").strip()


def _without_currency(shown: str, bare: str) -> tuple[str, frozenset[str] | None]:
    for sign, currencies in _SIGNS.items():
        if sign in bare:
            stripped = bare.removeprefix(sign).removesuffix(sign).strip()
            return stripped, CURRENCIES - _NOT_DOLLARS if currencies is None else currencies
    found = _code_at_ends(bare)
    if found is None or (found[1] is None and found[3] is None):
        return bare, None
    codes = {currency(code) for code in (found[1], found[3]) if code is not None}
    if len(codes) > 1:
        raise bad(shown, "an amount in one currency")
    return found[2], frozenset(codes)


def mark_of(texts: Iterable[str]) -> Mark | None:
    """What sets decimals off in these amounts, by most of those that show it; None where none does: `1,234` can be
    either.
    """
    seen = {"point": 0, "comma": 0}
    for text in texts:
        shown = _mark_in(text)
        if shown is not None:
            seen[shown] += 1
    if not any(seen.values()):
        return None
    return "comma" if seen["comma"] > seen["point"] else "point"


def _mark_in(text: str) -> Mark | None:
    if len(text) > LONGEST:
        return None
    digits = "".join(char for char in plain(text) if char in "0123456789.,")
    if _numeral(digits) is None:
        return None
    points, commas = digits.count("."), digits.count(",")
    if points and commas:
        return "point" if digits.rfind(".") > digits.rfind(",") else "comma"
    if not points and not commas:
        return None
    own, other, char = ("point", "comma", ".") if points else ("comma", "point", ",")
    if points + commas > 1:
        return _mark(other)  # it parts thousands, so it is not the decimals' mark
    before, _, after = digits.partition(char)
    apart = len(after) != 3 or before in ("", "0") or len(before) > 3
    return _mark(own) if apart else None


def _mark(name: str) -> Mark:
    return "comma" if name == "comma" else "point"
