"""What the types of single fields cannot say: texts that are no ids, ids that are a phone number, impossible dates.

For each payload class a small plan is worked out once (which attributes are ids, which are dates, what is nested), so
that the check of an event is a few attribute reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final

import msgspec

from contracts.identifiers import check_id, plainly_fine
from contracts.refusal import Refused

_EARLIEST: Final = 1980


@dataclass(frozen=True, slots=True)
class Plan:
    """What to look at in one class of payload or part."""

    ids: tuple[str, ...]
    id_lists: tuple[str, ...]
    dates: tuple[tuple[str, int, int], ...]
    parts: tuple[tuple[str, Plan], ...]
    part_lists: tuple[tuple[str, Plan], ...]
    nested: bool

    @property
    def empty(self) -> bool:
        """Nothing to look at."""
        return not (self.ids or self.dates or self.nested)


@cache
def plan_of(kind: type) -> Plan:
    """The plan of a payload class, read from the `extra` marks of its fields (contracts.payload)."""
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.StructType):
        raise TypeError(f"{kind} is no payload class")
    return _plan(info)


def _plan(info: msgspec.inspect.StructType) -> Plan:
    ids: list[str] = []
    id_lists: list[str] = []
    dates: list[tuple[str, int, int]] = []
    parts: list[tuple[str, Plan]] = []
    part_lists: list[tuple[str, Plan]] = []
    for field in info.fields:
        kind, marks = _unwrap(field.type)
        if "id" in marks:
            ids.append(field.name)
        elif "latest" in marks:
            dates.append((field.name, marks.get("earliest", _EARLIEST), marks["latest"]))
        elif isinstance(kind, msgspec.inspect.StructType):
            parts.append((field.name, _plan(kind)))
        elif isinstance(kind, msgspec.inspect.ListType):
            item, item_marks = _unwrap(kind.item_type)
            if "id" in item_marks:
                id_lists.append(field.name)
            elif isinstance(item, msgspec.inspect.StructType):
                part_lists.append((field.name, _plan(item)))
    parts = [part for part in parts if not part[1].empty]
    part_lists = [part for part in part_lists if not part[1].empty]
    nested = bool(id_lists or parts or part_lists)
    return Plan(tuple(ids), tuple(id_lists), tuple(dates), tuple(parts), tuple(part_lists), nested)


def _unwrap(kind: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, dict[str, Any]]:
    marks: dict[str, Any] = {}
    while isinstance(kind, (msgspec.inspect.Metadata, msgspec.inspect.UnionType)):
        if isinstance(kind, msgspec.inspect.Metadata):
            marks.update(kind.extra or {})
            kind = kind.type
            continue
        others = [one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType)]
        if len(others) != 1:
            break
        kind = others[0]
    return kind, marks


def check_plausible(data: object, plan: Plan, today: int, path: str = "$") -> None:
    """Refuses broken or personal ids and absurd dates in a payload.

    `today` is the event's day as an ordinal (date.toordinal). Raises Refused `bad_field`, `personal_id`, `absurd_date`.
    """
    if not _plainly_fine(data, plan, today):
        _check(data, plan, today, path)


def _plainly_fine(data: object, plan: Plan, today: int) -> bool:
    """Whether nothing needs a closer look. Most events are such, and places are worked out for the others alone."""
    for name in plan.ids:
        value = getattr(data, name)
        if value is not None and plainly_fine(value) is None:
            return False
    for name, earliest, latest in plan.dates:
        day = getattr(data, name)
        if day is not None and (day.year < earliest or day.toordinal() - today > latest):
            return False
    return not plan.nested or _parts_plainly_fine(data, plan, today)


def _parts_plainly_fine(data: object, plan: Plan, today: int) -> bool:
    for name in plan.id_lists:
        for value in getattr(data, name) or ():
            if plainly_fine(value) is None:
                return False
    for name, part_plan in plan.parts:
        part = getattr(data, name)
        if part is not None and not _plainly_fine(part, part_plan, today):
            return False
    for name, part_plan in plan.part_lists:
        for part in getattr(data, name) or ():
            if not _plainly_fine(part, part_plan, today):
                return False
    return True


def _check(data: object, plan: Plan, today: int, path: str) -> None:
    for name in plan.ids:
        value = getattr(data, name)
        if value is not None and plainly_fine(value) is None:
            check_id(value, path, name)
    for name, earliest, latest in plan.dates:
        day = getattr(data, name)
        if day is not None and (day.year < earliest or day.toordinal() - today > latest):
            raise Refused("absurd_date", _date_message(day, earliest, latest), f"{path}.{name}")
    if plan.nested:
        _check_nested(data, plan, today, path)


def _check_nested(data: object, plan: Plan, today: int, path: str) -> None:
    for name in plan.id_lists:
        for at, value in enumerate(getattr(data, name) or ()):
            if plainly_fine(value) is None:
                check_id(value, path, f"{name}[{at}]")
    for name, part_plan in plan.parts:
        part = getattr(data, name)
        if part is not None:
            _check(part, part_plan, today, f"{path}.{name}")
    for name, part_plan in plan.part_lists:
        for at, part in enumerate(getattr(data, name) or ()):
            _check(part, part_plan, today, f"{path}.{name}[{at}]")


def _date_message(day: date, earliest: int, latest: int) -> str:
    if day.year < earliest:
        return f"{day.isoformat()} is absurdly early; expected a date from {earliest} on"
    return f"{day.isoformat()} is absurdly late; expected a date at most {latest} days after the event itself"
