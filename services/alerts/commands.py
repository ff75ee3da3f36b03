"""The alerts service's part of the command `rapport`: its models on plain files, without broker or database."""

from __future__ import annotations

import typer

from services.alerts.plain.activity import activity
from services.alerts.plain.age import age
from services.alerts.plain.backtest import backtest_app
from services.alerts.plain.metrics import metrics_app

app = typer.Typer()
app.command("age")(age)
app.command("activity")(activity)
app.add_typer(metrics_app, name="metrics")
app.add_typer(backtest_app, name="backtest")
