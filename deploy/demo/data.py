"""The real part of the demo: purchases at the CD shop CDNOW, January 1997 to June 1998.

The file comes inside the PyPI package `lifetimes` (requirements/data.in) and is read where that is installed; nothing
of the package itself is imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

CURRENCY: Final = "USD"
COLUMNS: Final = ["customer_id", "date", "number_of_cds", "dollar_value"]
PACKAGE: Final = "lifetimes"
FILE: Final = Path("datasets") / "CDNOW_master.txt"


class DemoDataError(Exception):
    """The purchases cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """A line of the file. `nth` counts the customer's lines from 1: it names the invoice, whatever subset is read."""

    customer: str
    nth: int
    bought_on: date
    units: int
    amount: Decimal


def purchases(path: Path | None = None) -> list[Purchase]:
    """All purchases in the file's order: by customer, then by day.

    Raises DemoDataError when the package or its file is missing, or the file is not what it was.
    """
    path = path or _installed()
    try:
        lines = path.read_text("ascii").splitlines()
    except OSError as error:
        raise DemoDataError(f"{path} cannot be read ({error.strerror}): install the demo's data again") from error
    if not lines or lines[0].split() != COLUMNS:
        raise DemoDataError(f"{path} does not begin with the columns {' '.join(COLUMNS)}: install the pinned version")
    return list(_parse(lines))


def _parse(lines: list[str]) -> Iterator[Purchase]:
    seen: dict[str, int] = {}
    for at, line in enumerate(lines[1:], start=2):
        cells = line.split()
        if not cells:
            continue
        try:
            customer, day, units, amount = cells
            bought_on = datetime.strptime(day, "%Y%m%d").date()  # noqa: DTZ007 - a date, in no zone
            seen[customer] = nth = seen.get(customer, 0) + 1
            yield Purchase(customer, nth, bought_on, int(units), Decimal(amount))
        except (ValueError, ArithmeticError) as error:
            raise DemoDataError(f"line {at} of the purchases is {line!r}: install the pinned version") from error


def _installed() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DemoDataError(
            f"the package {PACKAGE}, which holds the purchases, is not installed: "
            "pip install --no-deps -r requirements/data.lock"
        )
    return Path(spec.submodule_search_locations[0]) / FILE
