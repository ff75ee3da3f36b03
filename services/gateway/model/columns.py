"""Which column of a file is which: by the heading that somebody has assigned, else by the names in use for it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from contracts.refusal import Refused

LONGEST: Final = 200  # characters of a heading that count
_bracketed = re.compile(r"[(\[【〔].*?[)\]】〕]").sub
_apart = re.compile(r"[\s_\-./:*#'\"、]+").sub


class Column(NamedTuple):
    """A column that a kind of file has: its own name, which wins, and the headings other systems give it."""

    name: str
    headings: tuple[str, ...] = ()
    required: bool = False


class Match(NamedTuple):
    """Where each column stands (its place from 0), and what of the file nobody asks for."""

    places: dict[str, int]
    missing: tuple[str, ...]
    twice: dict[str, tuple[str, ...]]

    @property
    def whole(self) -> bool:
        """Whether the file can be read with it."""
        return not self.missing and not self.twice


def normal(heading: str) -> str:
    """A heading as it is compared: narrow, small, without blanks, signs and what stands in brackets."""
    narrow = unicodedata.normalize("NFKC", heading[:LONGEST]).casefold()
    return _apart("", _bracketed("", narrow)) or _apart("", narrow)


def match(
    headings: Sequence[str],
    columns: Sequence[Column],
    given: Mapping[str, str] | None = None,
    remembered: Mapping[str, str] | None = None,
) -> Match:
    """Find each column. `given` and `remembered` name headings by column; a remembered one may be gone from the file,
    a given one that is not there is missing.
    """
    found = [normal(heading) for heading in headings]
    places: dict[str, int] = {}
    missing: list[str] = []
    twice: dict[str, tuple[str, ...]] = {}
    for name, heading in {**(remembered or {}), **(given or {})}.items():
        if (wanted := normal(heading)) in found:
            places[name] = found.index(wanted)
        elif name in (given or {}):
            missing.append(name)
    for column in columns:
        if column.name in places or column.name in missing:
            continue
        at = _by_name(found, column, set(places.values()))
        if len(at) == 1:
            places[column.name] = at[0]
        elif at:
            twice[column.name] = tuple(headings[place] for place in at)
        elif column.required:
            missing.append(column.name)
    return Match(places, tuple(missing), twice)


def _by_name(found: Sequence[str], column: Column, taken: set[int]) -> list[int]:
    own = normal(column.name)
    if exact := [place for place, heading in enumerate(found) if heading == own and place not in taken]:
        return exact
    names = {normal(heading) for heading in column.headings}
    return [place for place, heading in enumerate(found) if heading in names and place not in taken]


def score(headings: Sequence[str], columns: Sequence[Column], named: Mapping[str, str] | None = None) -> int:
    """How many columns these cells could be the headings of; title rows and data have next to none."""
    made = match(headings, columns, None, named)
    return len(made.places) + len(made.twice)


def refusal(made: Match, headings: Sequence[str], columns: Sequence[Column], given: Mapping[str, str]) -> Refused:
    """What is wrong with the headings, with what was found and what is expected."""
    shown = ", ".join(heading for heading in headings if heading.strip())[:600] or "nothing"
    said = []
    for name in made.missing:
        if name in given:
            said.append(f"{name} is to stand under {given[name]!r}, which is not there")
        else:
            known = next(column for column in columns if column.name == name)
            also = ", ".join(known.headings[:4])
            said.append(f"{name} is missing (known by {', '.join(part for part in (name, also) if part)})")
    said += [f"{name} could be {' or '.join(map(repr, headings))}" for name, headings in made.twice.items()]
    wanted = ", ".join(column.name if column.required else f"[{column.name}]" for column in columns)
    return Refused(
        "bad_columns",
        f"{'; '.join(said)}. Found: {shown}; expected: {wanted}. Rename the columns, or say which is which with "
        'mapping={"amount": "its heading"}; that is remembered for the source.',
    )
