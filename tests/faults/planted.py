"""Bugs planted into a running service, to show that the fault run would notice them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

PLANTS: Final[dict[str, Callable[[], None]]] = {}
