"""What the commands on plain files share: how options are read, and how complaints are made."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import typer

from services.alerts.plain.tables import parse_day

PICTURES: Final = (".svg", ".png")
_SHOWN: Final = 20


def parsed_day(text: str) -> date:
    """The value of an option for a day. Raises typer.BadParameter."""
    try:
        return parse_day(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def chart_path(text: str) -> Path:
    """The value of an option for a chart's file. Raises typer.BadParameter for any other ending."""
    path = Path(text)
    if path.suffix.lower() not in PICTURES:
        raise typer.BadParameter(f"{text!r} ends in neither .svg nor .png; expected such as chart.svg")
    return path


def complain(lines: list[str]) -> None:
    """Say the first of them, and how many more there are, where they cannot be taken for results."""
    for line in lines[:_SHOWN]:
        typer.echo(line, err=True)
    if len(lines) > _SHOWN:
        typer.echo(f"... and {len(lines) - _SHOWN} more", err=True)
