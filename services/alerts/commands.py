"""The alerts service's part of the command `rapport`: its models on plain files, without broker or database."""

from __future__ import annotations

import typer

from services.alerts.plain.age import age

app = typer.Typer()
app.command("age")(age)
