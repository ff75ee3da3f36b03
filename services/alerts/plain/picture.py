"""A chart as a file, SVG or PNG: the same figures give the same bytes, and a chart stands there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure


def save(figure: Figure, path: Path) -> None:
    """Write the figure in the kind that the file's ending names. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    kind = path.suffix.lower().removeprefix(".")
    try:
        # Without a salt and with a date no two SVG files would be equal.
        with rc_context({"svg.hashsalt": "rapport"}):
            figure.savefig(draft, format=kind, dpi=144, metadata={"Date": None} if kind == "svg" else None)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
