"""The table a run prints: what was looked at, what was found, what was wanted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `wanted` None: it is only reported. `examples` are what to look at where it is wrong."""

    what: str
    figure: str
    wanted: str | None = None
    good: bool = True
    examples: tuple[str, ...] = ()


@dataclass
class Table:
    """All figures of a run, in order."""

    rows: list[Row] = field(default_factory=list)

    @property
    def wrong(self) -> list[Row]:
        """What is not as wanted."""
        return [row for row in self.rows if not row.good]

    def told(self, what: str, figure: object) -> None:
        """A figure nobody asks anything of."""
        self.rows.append(Row(what, _text(figure)))

    def none(self, what: str, found: Collection[object]) -> None:
        """There should be none of these."""
        examples = tuple(str(one) for one in list(found)[:EXAMPLES])
        self.rows.append(Row(what, str(len(found)), "0", not found, examples))

    def least(self, what: str, figure: int, least: int) -> None:
        """At least so many."""
        self.rows.append(Row(what, str(figure), f"at least {least}", figure >= least))

    def most(self, what: str, figure: float, most: float, examples: tuple[str, ...] = ()) -> None:
        """At most so many."""
        self.rows.append(Row(what, _text(figure), f"at most {_text(most)}", figure <= most, examples))

    def told_by(self, other: Table, of: str, *what: str) -> None:
        """What another table says of these figures; of all its others only what is wrong."""
        for row in other.rows:
            if row.what in what or not row.good:
                self.rows.append(replace(row, what=f"{of}: {row.what}"))

    def text(self) -> str:
        """The table as text."""
        lines = [("what", "figure", "wanted", "")]
        for row in self.rows:
            verdict = "" if row.wanted is None else "ok" if row.good else "WRONG"
            lines.append((row.what, row.figure, row.wanted or "", verdict))
        widths = [max(len(line[at]) for line in lines) for at in range(3)]
        out = [
            "  ".join((a.ljust(widths[0]), b.rjust(widths[1]), c.ljust(widths[2]), d)).rstrip() for a, b, c, d in lines
        ]
        out.insert(1, "-" * max(len(line) for line in out))
        for row in self.wrong:
            out += [f"  {row.what}: {example}" for example in row.examples]
        return "\n".join(out)


def _text(figure: object) -> str:
    return f"{figure:.2f}" if isinstance(figure, float) else f"{figure:,}" if isinstance(figure, int) else str(figure)
