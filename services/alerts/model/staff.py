"""A colleague as far as alerts must reach him."""

from __future__ import annotations

import msgspec

from services.alerts.model.facts import FactKey


class Colleague(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a colleague is reached; the fact with the latest key holds. `token_subject`: who he is in tokens, if not
    his id.
    """

    key: FactKey
    name: str = ""
    mail: str = ""
    language: str = "zh-CN"
    zone: str = ""
    deputy: str = ""
    supervisor: str = ""
    token_subject: str = ""
    left: bool = False


def latest(held: Colleague | None, told: Colleague) -> Colleague:
    """What holds of the two: the later one."""
    return told if held is None or told.key > held.key else held
