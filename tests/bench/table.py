"""The table of a run: each figure with its median and range over the rounds, and what was wanted."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Literal

import psutil

PACKAGES = ("aiokafka", "faststream", "motor", "pymongo", "msgspec", "uvloop")


Bound = tuple[Literal["≥", "≤"], float]


@dataclass(frozen=True)
class Line:
    """One figure over the rounds. `wanted` is a bound on its median."""

    what: str
    unit: str
    values: tuple[float, ...]
    wanted: Bound | None = None
    digits: int = 0

    @property
    def met(self) -> bool | None:
        """Whether the median is as wanted; None where nothing was."""
        if self.wanted is None:
            return None
        sign, bound = self.wanted
        return median(self.values) >= bound if sign == "≥" else median(self.values) <= bound

    def row(self) -> str:
        """As a row of a Markdown table."""
        said = "" if self.wanted is None else f"{self.wanted[0]} {self.wanted[1]:g}"
        mark = {None: "", True: "yes", False: "**no**"}[self.met]
        low, high = self._text(min(self.values)), self._text(max(self.values))
        return f"| {self.what} | {self.unit} | {self._text(median(self.values))} | {low} to {high} | {said} | {mark} |"

    def _text(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


@dataclass
class Table:
    """All lines of a run, by part."""

    parts: dict[str, list[Line]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def add(self, part: str, line: Line) -> None:
        """One more line, unless no round has given it."""
        if line.values:
            self.parts.setdefault(part, []).append(line)

    def note(self, part: str, text: str) -> None:
        """What a reader of that part should know."""
        self.notes.setdefault(part, []).append(text)

    @property
    def missed(self) -> list[Line]:
        """Lines that are not as wanted."""
        return [line for lines in self.parts.values() for line in lines if line.met is False]

    def markdown(self, heading: Sequence[str]) -> str:
        """The page."""
        out = ["# Speed", "", *heading, ""]
        for part, lines in self.parts.items():
            out += [f"## {part}", ""]
            out += [f"{text}\n" for text in self.notes.get(part, ())]
            out += ["| figure | unit | median | range | wanted | met |", "|---|---|--:|--:|---|---|"]
            out += [line.row() for line in lines] + [""]
        return "\n".join(out)


def machine(kafka: str, mongo: str) -> str:
    """What it was measured on, in a sentence: nothing that names the machine."""
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GB; {platform.system()} on {platform.machine()}; "
        f"Python {sys.version.split()[0]}, Kafka {kafka}, MongoDB {mongo}; {packages}."
    )


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in told if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"
