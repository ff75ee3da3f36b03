"""What may be an id: a plain text, and nobody's phone number, mail address or identity number."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from contracts.payload import ID_PATTERN, MAX_ID
from contracts.refusal import Refused

# Letters in front, or ten digits at most: neither broken nor anybody's number. Most ids are such, and pass here.
plainly_fine: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9_.-]{0,127}|[0-9]{1,10})\Z").match
_id_fits = re.compile(ID_PATTERN).match
# A number-like text standing alone or after `staff/`, `tel:` and the like: only such can be a phone or identity number.
_suspect = re.compile(r"(?:^|[/:])(\+?[0-9(][0-9 ().-]{5,}[0-9Xx])$").search
_mobile = re.compile(r"(?:\+?86|0086)?1[3-9][0-9]{9}").fullmatch
_abroad = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
_identity = re.compile(r"[0-9]{6}([0-9]{4})([0-9]{2})([0-9]{2})[0-9]{3}[0-9Xx]").fullmatch
_old_identity = re.compile(r"[0-9]{6}([0-9]{2})([0-9]{2})([0-9]{2})[0-9]{3}").fullmatch
_separators: Final = str.maketrans("", "", " ().-")
# First two digits of an identity number: the province (GB/T 2260), by its range.
_PROVINCES: Final = (
    *range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83,
)  # fmt: skip
# Weights and check characters of GB 11643 (ISO 7064, MOD 11-2).
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"


def fits(text: str, most: int = MAX_ID) -> bool:
    """Whether the text may be an id: 1 to `most` characters, no control characters, no space at its ends."""
    if text.isprintable() and text.strip() == text:  # the quick way; blanks such as U+3000 inside need the other
        return 0 < len(text) <= most
    return len(text) <= most and _id_fits(text) is not None


def check_id(text: str, path: str, name: str) -> None:
    """Raises Refused `bad_field` when the text is no id, `personal_id` when it is a person's number or address."""
    if not fits(text):
        raise Refused(
            "bad_field",
            f"{path}.{name} is {text[:MAX_ID]!r}; expected an id without control characters, "
            "line breaks or spaces at its ends",
            f"{path}.{name}",
        )
    refuse_personal(text, f"{path}.{name}")


def refuse_personal(text: str, field: str) -> None:
    """Raises Refused `personal_id` when the id looks like a person's number or address."""
    kind = personal(text)
    if kind is not None:
        raise Refused(
            "personal_id",
            f"{field} looks like {kind}; expected the sending system's own number of the account or document, if need "
            "be with letters in front, because ids travel and are kept for years",
            field,
        )


def personal(text: str) -> str | None:
    """What kind of personal number the id looks like, or None.

    Precise on purpose: ERP ids are long numbers too. A mobile number has 11 digits from 13 to 19 on, an international
    one its plus sign, an identity number a province, a day that exists and (18 characters) the right check character.
    """
    if "@" in text:
        return "an e-mail address"
    found = _suspect(text)
    if found is None:
        return None
    digits = found[1].translate(_separators)
    if _mobile(digits) or _abroad(digits):
        return "a phone number"
    if _is_identity(digits):
        return "a personal identity number"
    return None


def _is_identity(text: str) -> bool:
    if not text[:2].isdigit() or int(text[:2]) not in _PROVINCES:
        return False
    if (new := _identity(text)) is not None:
        total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text, strict=False))
        return _is_day(int(new[1]), int(new[2]), int(new[3])) and _CHECKS[total % 11] == text[17].upper()
    old = _old_identity(text)
    return old is not None and _is_day(1900 + int(old[1]), int(old[2]), int(old[3]))


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        return date(year, month, day).year >= 1900
    except ValueError:
        return False
